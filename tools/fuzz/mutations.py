"""How inputs are made from good ones: bytes that flip, and changes that keep a format's structure whole."""

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

Mutation = Callable[[bytes, random.Random], bytes]

EXTREMES = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 62,
    (1 << 64) - 1,
)
WORDS = (
    b"nan", b"inf", b"-inf", b"1e308", b"-1e308", b"1e-320", b"800", b"-0", b"0x10", b"9" * 30, b"9" * 5000, b"\x00",
    b"\xff", b"\xed\xb3\xbf", "é".encode(), "\u2028".encode(), b"\x0b", b"\r", b"\r\n", b"\t\t", b"", b" ",
    b"\\end\\", b"<s>", b"[[[[", b"{" * 3000, b"[" * 3000, b'"', b"'" * 300, b"$" + b"1" * 400, b"1" * 400 + b"th",
    b"a" * 70000,
)  # fmt: skip
VALUES: Sequence[Any] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 64, 65, 4097, 1 << 31, 1 << 40, 1 << 63, 10**30, 0.5, -0.5, 1e-300, 1e300,
    float("nan"), float("inf"), float("-inf"), "", "nan", "../../etc/passwd", "a\x00b", "\ud800", [], {}, [[]], [None],
    [1, 2, 3], {"a": 1}, "x" * 5000, 10**5000,
)  # fmt: skip


def any_bytes(data: bytes, dice: random.Random) -> bytes:
    """One to four changes of bytes, wherever they fall."""
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        data = dice.choice((_flip, _set, _extreme, _cut, _drop, _double, _insert, _swap))(data, dice)
    return data


def _place(data: bytes, dice: random.Random) -> int:
    # Headers are short and matter most: half of the changes fall among the first bytes.
    return dice.randrange(min(len(data), 200) if dice.random() < 0.5 else len(data)) if data else 0


def _flip(data: bytes, dice: random.Random) -> bytes:
    at = _place(data, dice)
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :] if data else data


def _set(data: bytes, dice: random.Random) -> bytes:
    at, number = _place(data, dice), dice.choice((1, 1, 2, 4, 16))
    return data[:at] + bytes(dice.randrange(256) for _ in range(number)) + data[at + number :]


def _extreme(data: bytes, dice: random.Random) -> bytes:
    at, form = _place(data, dice), dice.choice("BHIQ")
    value = dice.choice(EXTREMES) & (1 << 8 * struct.calcsize(form)) - 1
    packed = struct.pack(dice.choice("<>") + form, value)
    return data[:at] + packed + data[at + len(packed) :]


def _cut(data: bytes, dice: random.Random) -> bytes:
    return data[: _place(data, dice)]


def _drop(data: bytes, dice: random.Random) -> bytes:
    at = _place(data, dice)
    return data[:at] + data[at + dice.choice((1, 2, 8, 100, 1000)) :]


def _double(data: bytes, dice: random.Random) -> bytes:
    at, number = _place(data, dice), dice.choice((1, 10, 100, 1000))
    return data[: at + number] + data[at : at + number] * dice.choice((1, 1, 30)) + data[at + number :]


def _insert(data: bytes, dice: random.Random) -> bytes:
    at = _place(data, dice)
    return data[:at] + dice.choice(WORDS) + data[at:]


def _swap(data: bytes, dice: random.Random) -> bytes:
    first, second = sorted((_place(data, dice), _place(data, dice)))
    middle = (first + second) // 2
    return data[:first] + data[middle:second] + data[first:middle] + data[second:]


def any_field(data: bytes, dice: random.Random) -> bytes:
    """Fields of lines replaced, dropped, doubled or moved: numbers by numbers, words by words of the same text."""
    lines = data.split(b"\n")
    for _ in range(dice.choice((1, 1, 2, 5))):
        row = dice.randrange(len(lines))
        fields = re.split(rb"([\s,=:]+)", lines[row])
        at = dice.randrange(len(fields))
        change = dice.randrange(5)
        if change == 0:
            fields[at] = dice.choice(WORDS)
        elif change == 1:
            fields[at] = dice.choice(re.split(rb"[\s,=:]+", dice.choice(lines)))
        elif change == 2 and re.fullmatch(rb"-?[\d.]+", fields[at]):
            fields[at] = str(
                dice.choice((dice.uniform(-9, 9), dice.randrange(-5, 50), 10.0 ** dice.randrange(-30, 39)))
            ).encode()
        elif change == 3:
            lines.insert(row, dice.choice(lines))
        else:
            fields[at : at + 1] = []
        lines[row] = b"".join(fields)
    return b"\n".join(lines)


def any_json(data: bytes, dice: random.Random) -> bytes:
    """JSON in which one to three values, keys or entries are others."""
    value = json.loads(data)
    for _ in range(dice.choice((1, 1, 2, 3))):
        value = _changed(value, dice)
    try:
        return json.dumps(value).encode()
    except ValueError:  # a number of more digits than Python writes
        return json.dumps(value, default=str).encode() if not _has_huge(value) else _dumped(value)


def _has_huge(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_huge, value.values()))
    return any(map(_has_huge, value)) if isinstance(value, list) else type(value) is int and abs(value) > 1 << 2000


def _dumped(value: Any) -> bytes:
    """JSON of values with one very long number."""

    def marked(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: marked(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [marked(entry) for entry in value]
        return "HUGE" if _has_huge(value) else value

    return json.dumps(marked(value)).replace('"HUGE"', "1" + "0" * 5000).encode()


def _changed(value: Any, dice: random.Random) -> Any:
    """The value, or one somewhere within it, changed."""
    inside = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    if inside and dice.random() < 0.85:
        key, entry = dice.choice(inside)
        copy = value.copy()
        change = dice.random()
        if change < 0.08:
            del copy[key]
        elif change < 0.12 and isinstance(copy, dict):
            copy[dice.choice(("", "a", "format", "kind", "\ud800"))] = copy.pop(key)
        elif change < 0.16:
            copy[key] = dice.choice(inside)[1]
        else:
            copy[key] = _changed(entry, dice)
        return copy
    if type(value) in (int, float) and abs(value) < 1e200 and dice.random() < 0.5:
        return dice.choice((value + 1, value - 1, -value, value * 2, value * 1000, value / 2, value * 1e12))
    return dice.choice(VALUES)


def json_lines(data: bytes, dice: random.Random) -> bytes:
    """JSON lines of which one is changed as `any_json` does."""
    lines = data.split(b"\n")
    row = dice.randrange(len(lines))
    lines[row] = any_json(lines[row], dice) if lines[row].strip() else b"{}"
    return b"\n".join(lines)


def safetensors(data: bytes, dice: random.Random) -> bytes:
    """A safetensors file whose header or numbers are others, its length of the header right."""
    size = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + size], data[8 + size :]
    if dice.random() < 0.3:
        at = dice.randrange(max(1, len(body) - 8))
        number = struct.pack("<f", dice.choice((float("nan"), float("inf"), 1e38, -1e38, 0.0, dice.uniform(-9, 9))))
        return data[: 8 + size + at] + number + body[at + 4 :]
    header = any_json(header, dice)
    return len(header).to_bytes(8, "little") + header + body


def packed(pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes], inner: Mutation) -> Mutation:
    """A mutation of what a packed file holds; one in three is of the packed bytes."""

    def mutate(data: bytes, dice: random.Random) -> bytes:
        return any_bytes(data, dice) if dice.random() < 0.33 else pack(inner(unpack(data), dice))

    return mutate
