"""LSTM language models as folders: model.safetensors, config.json, words.txt (subwords: units.model too); no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr._native import ByteMatrix, FloatMatrix
from asr.atomic_file import replacing, write_atomically
from asr.errors import CheckpointError
from asr.model_folder import SCALE, from_stored, read_arrays, read_config, to_stored, write_config
from asr.text.lm_units import Units
from asr.text.word_list import WordList

TYPE = "lstm-lm"
LARGEST_SIZES = (64, 1 << 14, 1 << 14)  # layers, units of a layer, values of an embedding
UNKNOWN_ID = 1  # the id of the unknown word, after the end of the sentence
UNITS_FILE = "units.model"  # of sentencepiece

EMBEDDING = "embedding.weight"
STACK = "recurrent."  # prefix of the stack's parameters in `LstmLanguageModel`

Floats = NDArray[np.float32]
Arrays = Mapping[str, Floats]


class StoredRows:
    """An array as it is stored, rows of which are read as float32."""

    def __init__(self, values: NDArray[Any], scales: NDArray[Any] | None = None) -> None:
        self._values, self._scales = values, scales

    def __len__(self) -> int:
        return len(self._values)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array."""
        return self._values.shape

    @property
    def width(self) -> int:
        """Values of a row; 0 for what has no rows."""
        return self._values.shape[1] if self._values.ndim == 2 else 0

    def __getitem__(self, rows: Sequence[int] | NDArray[np.integer]) -> Floats:
        values: Floats = self._values[rows].astype(np.float32)
        return values if self._scales is None else values * self._scales[rows].astype(np.float32).reshape(-1, 1)

    def matrix(self, in_bytes: bool) -> ByteMatrix | FloatMatrix:
        """What multiplies vectors by all rows, in 8 bits or in single precision."""
        if in_bytes and self._scales is not None:
            return ByteMatrix(self._values, self._scales.astype(np.float32, copy=False))
        whole = self._values.astype(np.float32)
        if self._scales is not None:
            whole *= self._scales.astype(np.float32).reshape(-1, 1)
        return ByteMatrix(whole) if in_bytes else FloatMatrix(whole)


class StoredArrays(Mapping[str, Floats]):
    """Stored arrays by name as float32, each made when it is asked for: all at once would take four times the memory
    of those in 8 bits."""

    def __init__(self, stored: Mapping[str, NDArray[Any]]) -> None:
        self._stored = stored

    def __getitem__(self, name: str) -> Floats:
        names = [name, name + SCALE]
        return from_stored({entry: self._stored[entry] for entry in names if entry == name or entry in self._stored})[
            name
        ]

    def rows(self, name: str, source: str) -> StoredRows:
        """An array of which rows are read, left as it is stored. Raises CheckpointError for a missing one."""
        if name not in self._stored:
            raise CheckpointError(f"{source} lacks '{name}'; copy the model again.")
        return StoredRows(self._stored[name], self._stored.get(name + SCALE))

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._stored if not name.endswith(SCALE))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class LstmLmFolder:
    """The content of a folder: weights as float32, the model's settings, its words by id."""

    arrays: Arrays
    config: dict[str, Any]
    words: Sequence[str]
    source: str
    units: Units | None = None  # what the list of words has in place of words
    in_bytes: bool = False  # whether the matrices are stored in 8 bits

    # The names of parameters in `LstmLanguageModel` stand here alone. All raise CheckpointError for a missing one.

    @property
    def embedding(self) -> Floats:
        """The input embeddings (words, embedding_size), of the first words if not all have one."""
        return self._array(EMBEDDING)

    @property
    def embedding_rows(self) -> StoredRows:
        """`embedding`, left as it is stored until rows of it are read."""
        return self._rows(EMBEDDING)

    @property
    def stack(self) -> Arrays:
        """The weights of the recurrent stack, by their names in `asr.nn.Recurrent`."""
        return {name.removeprefix(STACK): value for name, value in self.arrays.items() if name.startswith(STACK)}

    def layer(self, number: int) -> tuple[StoredRows, StoredRows, Floats]:
        """Of a layer of the stack: weights of the input and of the last output, and the sum of the biases.

        Their first axis is (4 * hidden,): input, forget, candidate and output gate.
        """
        names = [f"{STACK}forwards.{number}.{kind}_{side}_l0" for kind in ("weight", "bias") for side in ("ih", "hh")]
        biases = [self._array(name) for name in names[2:]]
        return self._rows(names[0]), self._rows(names[1]), biases[0] + biases[1]

    @property
    def softmax(self) -> Softmax:
        """The weights of the full or adaptive softmax."""
        tails = range(len(self.config["cutoffs"]))
        if not tails:
            return Softmax(self._rows("output.weight"), self._array("output.bias"), [])
        pairs = [
            (self._rows(f"adaptive.tail.{tail}.0.weight"), self._rows(f"adaptive.tail.{tail}.1.weight"))
            for tail in tails
        ]
        return Softmax(self._rows("adaptive.head.weight"), None, pairs)

    def _rows(self, name: str) -> StoredRows:
        if isinstance(self.arrays, StoredArrays):
            return self.arrays.rows(name, self.source)
        return StoredRows(self._array(name))

    def check_shapes(self) -> None:
        """Raise CheckpointError if the arrays are not those of the configuration."""
        hidden, words = int(self.config["hidden_size"]), len(self.words)
        bounds = [*self.config["cutoffs"], words]
        embedding, softmax = self.embedding_rows, self.softmax
        width = embedding.width
        shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = []  # as they are, as they must be
        for number in range(self.config["num_layers"]):
            from_input, from_hidden, bias = (array.shape for array in self.layer(number))
            shapes += [(from_input, (4 * hidden, width)), (from_hidden, (4 * hidden, hidden)), (bias, (4 * hidden,))]
            width = hidden
        shapes.append((softmax.head.shape, (bounds[0] + len(bounds) - 1, hidden)))
        if softmax.bias is not None:
            shapes.append((softmax.bias.shape, (words,)))
        for (first, end), (projection, output) in zip(pairwise(bounds), softmax.tails, strict=True):
            shapes += [(projection.shape, (len(projection), hidden)), (output.shape, (end - first, len(projection)))]
        if not UNKNOWN_ID < len(embedding) <= words or any(shape != wanted for shape, wanted in shapes):
            raise CheckpointError(f"{self.source}: weights and config.json do not fit together; copy the model again.")

    def _array(self, name: str) -> Floats:
        try:
            return self.arrays[name]
        except KeyError:
            raise CheckpointError(f"{self.source} lacks '{name}'; copy the model again.") from None


class Softmax(NamedTuple):
    """The weights of a softmax. An adaptive one (Grave et al. 2017) has tails and no bias."""

    head: StoredRows  # (first words and clusters, hidden)
    bias: Floats | None  # (words,)
    tails: list[tuple[StoredRows, StoredRows]]  # of each cluster: projection (size, hidden), output (words, size)


def save_lm(
    folder: str | Path,
    arrays: Mapping[str, NDArray[np.floating]],
    config: dict[str, Any],
    words: Sequence[str],
    bits: int = 32,
    units: Units | None = None,
) -> None:
    """Write a folder, each file atomically, the configuration last.

    bits: of the stored weights, as in `to_stored`.
    """
    from safetensors.numpy import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "model.safetensors") as temporary:
        save_file(to_stored(arrays, bits), temporary)
    text = "".join(f"{word}\n" for word in words)
    write_atomically(folder / "words.txt", text.encode())
    values: dict[str, Any] = {"model": config, "words_sha256": hashlib.sha256(text.encode()).hexdigest()}
    if units is not None:
        values["units"] = units.name
        if units.model:
            write_atomically(folder / UNITS_FILE, units.model)
    write_config(folder, TYPE, values)


def _checked_config(folder: Path, config: Any) -> dict[str, Any]:
    """The configuration. Raises CheckpointError where sizes are missing or impossible."""
    fields = config if isinstance(config, dict) else {}
    sizes = [fields.get("num_layers"), fields.get("hidden_size"), fields.get("embedding_size", 1)]
    cutoffs = fields.get("cutoffs")
    fits = all(type(size) is int and 1 <= size <= most for size, most in zip(sizes, LARGEST_SIZES, strict=True))
    if not fits or not isinstance(cutoffs, list) or any(type(cutoff) is not int for cutoff in cutoffs):
        raise CheckpointError(f"{folder / 'config.json'} does not describe a language model; copy the model again.")
    if any(left >= right for left, right in pairwise([UNKNOWN_ID, *cutoffs])):
        raise CheckpointError(f"{folder / 'config.json'}: the cutoffs must rise; copy the model again.")
    return fields


def load_lm(folder: str | Path) -> LstmLmFolder:
    """Read a folder. Raises CheckpointError if something is missing, damaged, or does not belong to the rest."""
    folder = Path(folder)
    values = read_config(folder, TYPE)
    config = _checked_config(folder, values.get("model"))
    stored = read_arrays(folder / "model.safetensors")
    try:
        text = (folder / "words.txt").read_bytes()
        units = values.get("units")
        pieces = (folder / UNITS_FILE).read_bytes() if units == "sentencepiece" else b""
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} is incomplete or damaged ({error}); copy the model again.") from None
    if hashlib.sha256(text).hexdigest() != values.get("words_sha256"):
        raise CheckpointError(f"{folder / 'words.txt'} is not the one the model was trained with; restore it.")
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{folder / 'words.txt'} is not UTF-8 (byte {error.start}); restore it.") from None
    words = WordList.from_text(text[: text.rfind(b"\n")]) if b"\n" in text else WordList.of([])
    if len(words) <= UNKNOWN_ID:
        raise CheckpointError(f"{folder / 'words.txt'} has no words; restore it.")
    in_bytes = any(name.endswith(SCALE) for name in stored)
    return LstmLmFolder(
        StoredArrays(stored), config, words, str(folder), Units(units, pieces) if units else None, in_bytes
    )
