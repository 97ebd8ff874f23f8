"""KenLM's binary models through KenLM itself: word by word in Python, slower than an ARPA file's own tables."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from asr.errors import MissingPackageError, TextError
from asr.extras import require
from asr.lm.ngram.arpa import LN10

MAGIC = b"mmap lm http://kheafield.com/code"


def is_kenlm_binary(path: Path) -> bool:
    """Whether a file begins as KenLM's binaries do. Raises TextError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise TextError(f"language model {path} cannot be read: {error.strerror}; check the path.") from None


def _kenlm() -> ModuleType:
    try:
        return require("train", "kenlm", "KenLM's binary models")
    except MissingPackageError:
        if sys.version_info < (3, 13):
            raise
    raise MissingPackageError(
        "KenLM's binary models need kenlm, which does not build on Python 3.13 and later; give the model's ARPA file, "
        "or use Python 3.12."
    )


class KenlmBinary:
    """A KenLM binary as a `WordModel`; unknown words give NaN, or with `score_unknown` ln P(<unk>)."""

    def __init__(self, path: Path, score_unknown: bool = False) -> None:
        """Raises TextError if KenLM cannot load the file, MissingPackageError if it is not installed."""
        kenlm = _kenlm()
        self._new_state, self.score_unknown = kenlm.State, score_unknown
        try:
            self._model = kenlm.Model(str(path))
        except (OSError, RuntimeError) as error:
            raise TextError(f"language model {path} cannot be loaded by KenLM ({error}); build it again.") from None

    def start(self) -> object:
        """The state at the beginning of a sentence."""
        state = self._new_state()
        self._model.BeginSentenceWrite(state)
        return state

    def knows(self, word: str) -> bool:
        """Whether a word is in the vocabulary."""
        return word in self._model

    def score(self, states: Sequence[object], words: Sequence[str]) -> tuple[list[float], list[object]]:
        """ln P of each word after its state, and the states after them."""
        found, after = [], []
        for state, word in zip(states, words, strict=True):
            following = self._new_state()
            score = self._model.BaseScore(state, word, following) * LN10
            found.append(score if self.score_unknown or word in self._model else math.nan)
            after.append(following)
        return found, after
