"""A trained tagger in NumPy: words and pauses in, labels out. Loads without torch.

A folder holds `config.json`, `model.safetensors` (weights in 8 bits or wider), `words.txt.gz` and the model card.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr._native import lstm_step
from asr.atomic_file import write_atomically
from asr.config import from_dict, to_dict
from asr.errors import CheckpointError, ConfigError
from asr.model_folder import SCALE, from_stored, read_arrays, read_config, to_stored, write_arrays, write_config
from asr.nlp.tagging.config import FIRST_WORD_ID, UNKNOWN_ID, TaggerConfig, affix_ids, pause_features

TYPE = "tagger"
WORDS, WEIGHTS = "words.txt.gz", "model.safetensors"
WINDOW, CONTEXT = 160, 40  # words that are labelled at once, and those on each side that are read as well
LARGEST_BATCH = 32  # windows

Floats = NDArray[np.float32]


@dataclass
class Tagger:
    """A tagger of running words. Open one with `Tagger.open`; safe to use from several threads at once."""

    config: TaggerConfig
    vocabulary: Mapping[str, int]
    arrays: Mapping[str, NDArray[Any]]  # weights as float32, embeddings as stored
    offsets: Mapping[str, Floats]  # added to the scores of the labels, by column

    @classmethod
    def open(cls, folder: str | Path) -> Tagger:
        """The tagger in a folder. Raises CheckpointError for a folder that holds none, or a damaged one."""
        folder = Path(folder)
        values = read_config(folder, TYPE)
        stored = read_arrays(folder / WEIGHTS)
        try:
            config = from_dict(TaggerConfig, values["model"])
            if config.kind != "lstm":
                raise ConfigError(f"taggers of kind '{config.kind}' run with torch alone")
            words = gzip.decompress((folder / WORDS).read_bytes()).decode().split("\n")[:-1]
            offsets = {
                name: np.array(values.get("offsets", {}).get(name, [0.0] * len(labels)), np.float32)
                for name, labels in config.outputs.items()
            }
            kept = {name: array for name, array in stored.items() if name.startswith(("words.", "affixes."))}
            arrays = from_stored({name: array for name, array in stored.items() if name not in kept}) | kept
            tagger = cls(config, {word: row for row, word in enumerate(words, FIRST_WORD_ID)}, arrays, offsets)
            tagger._check(len(words))
        except (OSError, EOFError, zlib.error, KeyError, ConfigError, UnicodeDecodeError, ValueError) as error:
            raise CheckpointError(f"{folder} cannot be loaded ({error}); copy the tagger again.") from None
        return tagger

    def _check(self, num_words: int) -> None:
        rows = len(self.arrays["words.weight"])
        labels = sum(map(len, self.config.outputs.values()))
        if rows != num_words + FIRST_WORD_ID or len(self.arrays["output.weight"]) != labels:
            raise ConfigError("its files do not belong together")

    def tag(self, words: Sequence[str], pauses: Sequence[float] | None = None) -> dict[str, list[str]]:
        """The label of each word in each column. words: in the form the tagger was trained on; pauses: see `scores`."""
        found = self.scores(words, pauses)
        return {
            name: [labels[place] for place in (found[name] + self.offsets[name]).argmax(axis=1).tolist()]
            for name, labels in self.config.outputs.items()
        }

    def scores(self, words: Sequence[str], pauses: Sequence[float] | None = None) -> dict[str, Floats]:
        """ln P (words, labels) of each column's labels.

        pauses: seconds of silence after each word, NaN where not known, None for all of them. A long text is read in
        windows that overlap: the labels of a word depend on the words around it, not on the length of the text.
        """
        labels = [len(names) for names in self.config.outputs.values()]
        if not words:
            return {name: np.zeros((0, n), np.float32) for name, n in zip(self.config.outputs, labels, strict=True)}
        inputs = self._inputs(words, np.full(len(words), np.nan) if pauses is None else np.asarray(pauses, float))
        scores = np.empty((len(words), sum(labels)), np.float32)
        starts = list(range(0, len(words), WINDOW))
        for first in range(0, len(starts), LARGEST_BATCH):
            chosen = starts[first : first + LARGEST_BATCH]
            spans = [(max(0, start - CONTEXT), min(len(words), start + WINDOW + CONTEXT)) for start in chosen]
            lengths = np.array([end - begin for begin, end in spans])
            batch = np.zeros((lengths.max(), len(spans), inputs.shape[1]), np.float32)
            for row, (begin, end) in enumerate(spans):
                batch[: end - begin, row] = inputs[begin:end]
            outputs = self._run(batch, lengths)
            for row, (start, (begin, _)) in enumerate(zip(chosen, spans, strict=True)):
                end = min(start + WINDOW, len(words))
                scores[start:end] = outputs[start - begin : end - begin, row]
        parts = np.split(scores, np.cumsum(labels)[:-1], axis=1)
        return {name: _log_softmax(part) for name, part in zip(self.config.outputs, parts, strict=True)}

    def _inputs(self, words: Sequence[str], pauses: NDArray[np.float64]) -> Floats:
        """What the stack reads of each word (words, size)."""
        types = {word: place for place, word in enumerate(dict.fromkeys(words))}
        ids = np.array([self.vocabulary.get(word, UNKNOWN_ID) for word in types], np.int64)
        read = self._rows("words.weight", ids)
        if self.config.affixes:
            rows = affix_ids(list(types), self.config) + np.array([0, self.config.affixes])
            read = read + self._rows("affixes.weight", rows[:, 0]) + self._rows("affixes.weight", rows[:, 1])
        read = read[[types[word] for word in words]]
        return np.concatenate([read, pause_features(pauses)], axis=1) if self.config.pauses else read

    def _rows(self, name: str, rows: NDArray[np.int64]) -> Floats:
        """Rows of an embedding in single precision."""
        values = self.arrays[name][rows].astype(np.float32)
        if name + SCALE in self.arrays:
            values *= self.arrays[name + SCALE][rows].astype(np.float32)[:, None]
        return values

    def _run(self, inputs: Floats, lengths: NDArray[np.int64]) -> Floats:
        """Scores (time, batch, labels) of padded inputs (time, batch, size)."""
        hidden = inputs
        steps = np.arange(len(inputs))[:, None]
        mirrored = np.where(steps < lengths, lengths - 1 - steps, steps)  # (time, batch)
        columns = np.arange(inputs.shape[1])
        for layer in range(self.config.num_layers):
            onward = self._layer(f"recurrent.forwards.{layer}.", hidden)
            back = self._layer(f"recurrent.backwards.{layer}.", hidden[mirrored, columns])
            hidden = np.concatenate([onward, back[mirrored, columns]], axis=2)
        scores: Floats = hidden @ self.arrays["output.weight"].T + self.arrays["output.bias"]
        return scores

    def _layer(self, name: str, inputs: Floats) -> Floats:
        """Outputs (time, batch, hidden) of one direction of a layer, from zero states."""
        weights, recurrent = self.arrays[name + "weight_ih_l0"], self.arrays[name + "weight_hh_l0"].T
        bias = self.arrays[name + "bias_ih_l0"] + self.arrays[name + "bias_hh_l0"]
        gates = inputs @ weights.T + bias
        size = self.config.hidden_size
        outputs = np.empty((*inputs.shape[:2], size), np.float32)
        state = np.zeros((inputs.shape[1], size), np.float32)
        cells = np.zeros_like(state)
        for step in range(len(inputs)):
            gates[step] += state @ recurrent
            state = lstm_step(gates[step], cells)
            outputs[step] = state
        return outputs


def save_tagger(
    folder: Path, config: TaggerConfig, words: Sequence[str], arrays: Mapping[str, Floats], bits: int = 8,
    offsets: Mapping[str, Sequence[float]] | None = None,
) -> None:  # fmt: skip
    """Write a tagger's files, each atomically, config.json last. words: the vocabulary without its two first ids."""
    folder.mkdir(parents=True, exist_ok=True)
    write_arrays(folder / WEIGHTS, to_stored(arrays, bits))
    write_atomically(folder / WORDS, gzip.compress("".join(f"{word}\n" for word in words).encode(), mtime=0))
    plain = replace(config, outputs={name: list(labels) for name, labels in config.outputs.items()})
    values: dict[str, Any] = {"model": to_dict(plain)}
    if offsets:
        values["offsets"] = {name: [round(float(v), 3) for v in row] for name, row in offsets.items()}
    write_config(folder, TYPE, values)


def _log_softmax(scores: Floats) -> Floats:
    shifted = scores - scores.max(axis=1, keepdims=True)
    values: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return values
