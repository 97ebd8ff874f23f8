"""Settings of taggers, and the features that they read of a word."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asr.errors import ConfigError

PADDING_ID, UNKNOWN_ID = 0, 1  # of words
FIRST_WORD_ID = 2
PAUSE_SCALE, LONGEST_PAUSE = 0.1, 3.0  # seconds: pauses are read as log(1 + pause / scale), up to the longest


@dataclass(frozen=True)
class TaggerConfig:
    """Sizes of a tagger, and what it predicts."""

    outputs: Mapping[str, Sequence[str]] = field(default_factory=dict)  # labels by the name of their column
    kind: str = "lstm"  # of the recurrent stack
    embedding_size: int = 96  # values of a word's embedding
    hidden_size: int = 192  # of each direction
    num_layers: int = 2  # of the recurrent stack
    affixes: int = 2048  # rows for the first and for the last letters of words, each; 0: words alone
    affix_letters: int = 3  # number of first and of last letters of a word that affixes stand for
    pauses: bool = True  # read the pause after each word, where it is known
    word_dropout: float = 0.04  # share of words replaced by the unknown word in training
    dropout: float = 0.2  # of the stack's input, between its layers, and of its output

    def __post_init__(self) -> None:
        if min(self.embedding_size, self.hidden_size, self.num_layers, self.affix_letters) < 1 or self.affixes < 0:
            raise ConfigError("a tagger's sizes must be at least 1, and model.affixes at least 0.")


def affix_ids(words: Sequence[str], config: TaggerConfig) -> NDArray[np.int64]:
    """Rows of the first and of the last letters of words (words, 2), by their CRC-32."""
    letters, rows = config.affix_letters, max(1, config.affixes)
    ids = [(zlib.crc32(b"<" + w[:letters].encode()) % rows, zlib.crc32(w[-letters:].encode()) % rows) for w in words]
    return np.array(ids, np.int64).reshape(-1, 2)


def pause_features(pauses: NDArray[np.floating]) -> NDArray[np.float32]:
    """What a tagger reads of pauses in seconds, NaN if unknown: (..., 2), their size 0..1 and whether it is known."""
    known = ~np.isnan(pauses)
    size = np.log1p(np.clip(np.nan_to_num(pauses), 0.0, LONGEST_PAUSE) / PAUSE_SCALE)
    return np.stack([np.where(known, size / np.log1p(LONGEST_PAUSE / PAUSE_SCALE), 0.0), known], -1).astype(np.float32)
