"""What the keys of a configuration mean: from the dataclasses and the comments beside their fields."""

from __future__ import annotations

import dataclasses
import inspect
import io
import tokenize
from collections.abc import Iterator
from typing import Any, NamedTuple

UNITS = (  # by the end of a key's name
    ("_seconds", "s"), ("_ms", "ms"), ("_hours", "h"), ("_hz", "Hz"), ("_freq", "Hz"), ("sample_rate", "Hz"),
    ("_db", "dB"), ("_probability", "0..1"), ("_share", "0..1"), ("dropout", "0..1"), ("min_fill", "0..1"),
    ("_bins", "mel bins"), ("_frames", "frames"), ("epochs", "epochs"), ("speeds", "factors"), ("_factors", "factors"),
)  # fmt: skip


class Key(NamedTuple):
    """A key of a configuration."""

    name: str  # with its sections, `train.epochs`
    default: str  # as TOML
    unit: str  # empty where there is none
    meaning: str


def describe_keys(cls: type, where: str = "", values: Any = None) -> Iterator[Key]:
    """The keys of a dataclass and of those within it, in order.

    A field's meaning is the comment behind it, or else the lines of comment above it, as far as they touch it. values:
    an object of the class that has the defaults; by default a new one.
    """
    values = cls() if values is None else values
    meanings = _comments(cls)
    for field in dataclasses.fields(cls):
        value = getattr(values, field.name)
        if dataclasses.is_dataclass(value):
            yield from describe_keys(type(value), f"{where}{field.name}.", value)
            continue
        if isinstance(value, dict):  # not a key: what the data say
            continue
        unit = next((unit for ending, unit in UNITS if field.name.endswith(ending)), "")
        yield Key(f"{where}{field.name}", _as_toml(value), unit, meanings.get(field.name, ""))


def as_toml(cls: type) -> str:
    """A configuration file of all keys with their defaults, each with its meaning."""
    lines: list[str] = []
    section = ""
    for key in sorted(describe_keys(cls), key=lambda key: key.name.count(".") > 0):
        *sections, name = key.name.split(".")
        if ".".join(sections) != section:
            section = ".".join(sections)
            lines += ["", f"[{section}]"]
        unit = f" ({key.unit})" if key.unit else ""
        lines.append(f"{name} = {key.default}  # {key.meaning}{unit}")
    return "\n".join(lines).strip() + "\n"


def as_markdown(cls: type, where: str = "") -> str:
    """A table of the keys. where: the section that they stand in, with a point behind it."""
    rows = ["| key | default | unit | meaning |", "|---|---|---|---|"]
    for key in describe_keys(cls, where):
        meaning = key.meaning.replace("|", "\\|")
        rows.append(f"| `{key.name}` | `{key.default}` | {key.unit} | {meaning} |")
    return "\n".join(rows) + "\n"


def _as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_as_toml, value))}]"
    return "" if value is None else f"{value:g}" if isinstance(value, float) and abs(value) < 1e-2 else str(value)


def _comments(cls: type) -> dict[str, str]:
    """The comment of each field of a dataclass: behind it, or in the lines above it."""
    meanings: dict[str, str] = {}
    above: list[str] = []
    source = inspect.cleandoc("\n" + inspect.getsource(cls))
    names = {field.name for field in dataclasses.fields(cls)}
    name, alone, started = "", True, False  # alone: nothing but the comment stands in the line so far
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and token.string in ("def", "class") and started and token.start[1] <= 4:
            break  # the fields are over
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip("# ").strip()
            if alone:
                above.append(text)
            elif name:
                meanings[name] = text
        elif token.type in (tokenize.NL, tokenize.NEWLINE):
            if token.type == tokenize.NEWLINE:
                if name and name not in meanings and above:
                    meanings[name] = " ".join(above)
                if name or not alone:
                    above = []
                name = ""
            alone = True
        elif token.type not in (tokenize.INDENT, tokenize.DEDENT):
            if alone and token.type == tokenize.NAME and token.string in names and token.start[1] == 4 and depth == 0:
                name, started = token.string, True
            depth += token.string in "([{" and token.type == tokenize.OP
            depth -= token.string in ")]}" and token.type == tokenize.OP
            alone = False
    return meanings
