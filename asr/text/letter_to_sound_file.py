"""Letter-to-sound models as small files: n-grams as sorted numbers, whose differences pack well."""

from __future__ import annotations

import io
import json
import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.atomic_file import write_atomically
from asr.errors import TextError
from asr.json_text import parse_json
from asr.npz import read_npz
from asr.text.letter_to_sound import END, START, Context, LetterToSound, Pair
from asr.unpacking import DAMAGED, open_unpacked

FORMAT = 1
BITS = 10  # of a pair's number in an n-gram's; six fit into 64 bits

Arrays = dict[str, NDArray[Any]]


def write_letter_to_sound(path: Path, model: LetterToSound) -> None:
    """Write a model, atomically. Raises TextError for one of too many pairs or too long n-grams."""
    pairs = [START, END, *(pair for letter, options in model.choices.items() if letter != END[0] for pair in options)]
    numbers = {pair: number for number, pair in enumerate(pairs, 1)}  # 0: no pair
    if len(pairs) >= 1 << BITS or model.order * BITS > 64:
        raise TextError(f"{len(pairs)} letter-phone pairs in n-grams of {model.order} are too many for the file.")
    arrays: Arrays = {}
    for length in range(1, model.order + 1):
        contexts = sorted(
            (tuple(numbers[pair] for pair in context), context)
            for context, nexts in model.counts.items()  # those with rare pairs are never asked for
            if len(context) == length - 1 and numbers.keys() >= set(context) and not numbers.keys().isdisjoint(nexts)
        )
        grams = [
            (_joined((*ids, numbers[pair])), count)
            for ids, context in contexts
            for pair, count in sorted(model.counts[context].items(), key=lambda item: numbers.get(item[0], 0))
            if pair in numbers
        ]
        arrays[f"differences{length}"] = np.diff(np.array([0, *(key for key, _ in grams)], np.uint64))
        arrays[f"counts{length}"] = np.array([count for _, count in grams], np.uint32)
        arrays[f"weights{length}"] = np.array([_weight(model, context, numbers) for _, context in contexts], np.uint32)
    header = {"format": FORMAT, "order": model.order, "pairs": [[letter, *phones] for letter, phones in pairs]}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    stored = io.BytesIO()
    np.savez(stored, **{name: _planes(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    write_atomically(path, lzma.compress(stored.getvalue(), preset=9))


def read_letter_to_sound(path: str | Path) -> LetterToSound:
    """The model in a file. Raises TextError if it cannot be read or is no such file."""
    try:
        with open_unpacked(Path(path), by_content=True) as file:
            stored, _ = read_npz(Path(path), what="letter-to-sound model", kind="u", content=file.read())
        arrays = {name: _whole(array) for name, array in stored.items()}
        header = parse_json(arrays["header"].astype(np.uint8).tobytes())
        if (given := header["format"]) > FORMAT:
            raise TextError(f"{path} has format {given}, newer than {FORMAT} of this version; update it.")
        pairs = [(letter, tuple(phones)) for letter, *phones in header["pairs"]]
        order = int(header["order"])
        if not 1 <= order <= 64 // BITS:
            raise TextError(f"{path} is no letter-to-sound model: its n-grams are of {order} pairs.")
        counts: dict[Context, dict[Pair, int]] = {}
        weights: dict[Context, int] = {}
        for length in range(1, order + 1):
            keys = np.cumsum(arrays[f"differences{length}"], dtype=np.uint64)
            before = len(counts)
            _add_ngrams(counts, pairs, keys, arrays[f"counts{length}"], length)
            contexts = list(counts)[before:]
            weights |= zip(contexts, arrays[f"weights{length}"].tolist(), strict=True)
    except FileNotFoundError:
        raise TextError(f"{path} does not exist; check the path.") from None
    except (*DAMAGED, KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
        raise TextError(f"{path} is no letter-to-sound model, or damaged ({error}); copy it again.") from None
    choices: dict[str, list[Pair]] = {END[0]: [END]}
    for pair in pairs[2:]:
        choices.setdefault(pair[0], []).append(pair)
    return LetterToSound(order, counts, weights, choices)


def _weight(model: LetterToSound, context: Context, numbers: dict[Pair, int]) -> int:
    """A context's weight with the counts of the pairs that the file leaves out."""
    return model.weights[context] + sum(count for pair, count in model.counts[context].items() if pair not in numbers)


def _joined(numbers: Sequence[int]) -> int:
    key = 0
    for number in numbers:
        key = key << BITS | number
    return key


def _planes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Numbers as bytes (bytes of a number, numbers): those of equal place side by side, which pack better."""
    return np.ascontiguousarray(values.astype("<u8").view(np.uint8).reshape(-1, 8).T)


def _whole(planes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(planes.T).view("<u8").ravel()


def _add_ngrams(
    counts: dict[Context, dict[Pair, int]], pairs: Sequence[Pair], keys: NDArray[np.uint64], often: NDArray[np.uint64],
    length: int,
) -> None:  # fmt: skip
    """Add the n-grams of one length to `counts`: those of one context lie side by side."""
    mask = np.uint64((1 << BITS) - 1)
    columns = [(keys >> np.uint64(BITS * (length - 1 - place)) & mask).astype(np.int64) - 1 for place in range(length)]
    if any(len(column) and column.min() < 0 for column in columns):
        raise ValueError("an n-gram is shorter than it should be")
    named = [[pairs[number] for number in column.tolist()] for column in columns]
    contexts = zip(*named[:-1], strict=True) if length > 1 else ((),) * len(keys)
    for context, following, count in zip(contexts, named[-1], often.tolist(), strict=True):
        counts.setdefault(context, {})[following] = count
