"""Units smaller than words for language models: characters, or the pieces of a sentencepiece model.

The last unit of a word marks its end, so that the probability of a word is the product of those of its units.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from asr.errors import ConfigError, TextError
from asr.extras import require
from asr.text.tokens import BLANK, Tokens

WORD_END = "▁"
UNDIVIDED = ("<unk>", "</s>")
CACHED_WORDS = 200_000


class Units:
    """Divides words into units: "characters", or "sentencepiece" with the content of a model file."""

    def __init__(self, name: str, model: bytes = b"") -> None:
        """Raises TextError for a damaged model, MissingPackageError if sentencepiece is needed and not installed."""
        self.name, self.model = name, model
        self._pieces: Any = None
        if name == "sentencepiece":
            self._pieces = _processor(model)
        elif name != "characters":
            raise ConfigError(f"unknown units '{name}'; use words, characters, or a sentencepiece model's file.")
        self._split = lru_cache(CACHED_WORDS)(self._split_word)

    @classmethod
    def read(cls, name: str) -> Units | None:
        """The units that a configuration names: None for "words", "characters", or the path of a sentencepiece model.

        Raises ConfigError for another name, TextError for a model that cannot be read.
        """
        if name == "words":
            return None
        if Path(name).suffix != ".model":
            return cls(name)
        try:
            return cls("sentencepiece", Path(name).read_bytes())
        except OSError as error:
            raise TextError(f"{name} cannot be read ({error.strerror}); `asr tokens subwords` makes it.") from None

    def split(self, word: str) -> list[str]:
        """The units of one word; the last one is, or ends with, the end-of-word mark."""
        return list(self._split(word))

    def spell(self, line: str) -> str:
        """The units of a line of words, separated by spaces."""
        return " ".join(unit for word in line.split() for unit in self._split(word))

    def _split_word(self, word: str) -> tuple[str, ...]:
        if word in UNDIVIDED:
            return (word,)
        if self._pieces is None:
            return (*word, WORD_END)
        pieces = self._pieces.encode(word, out_type=str)
        return tuple(pieces) if pieces and pieces[-1].endswith(WORD_END) else (*pieces, WORD_END)


def subword_tokens(lines: Iterable[str], size: int) -> Tokens:
    """`size` subwords and the blank as the tokens of an acoustic model: a piece that begins a word is marked so.

    Raises TextError and MissingPackageError as `train_subwords` does.
    """
    pieces = _processor(train_subwords(lines, size, marked_ends=False))
    names = [pieces.id_to_piece(index) for index in range(len(pieces)) if not pieces.is_unknown(index)]
    return Tokens([BLANK, *names])


def train_subwords(lines: Iterable[str], size: int, marked_ends: bool = True) -> bytes:
    """A sentencepiece unigram model (Kudo 2018) of `size` pieces, in which words end with the end-of-word mark.

    marked_ends: else words begin with the mark, as is usual for acoustic models.
    Raises TextError if the text is too small for that many, MissingPackageError if sentencepiece is not installed.
    """
    sentencepiece = _package()
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, vocab_size=size, treat_whitespace_as_suffix=marked_ends,
            add_dummy_prefix=True, normalization_rule_name="identity", character_coverage=1.0, bos_id=-1, eos_id=-1,
            minloglevel=2,
        )  # fmt: skip
    except (RuntimeError, OSError) as error:
        reason = str(error).split(") ")[-1].strip() or "the text is empty"
        raise TextError(f"{size} subwords cannot be made from this text ({reason}); ask for fewer.") from None
    return model.getvalue()


def _processor(model: bytes) -> Any:
    try:
        return _package().SentencePieceProcessor(model_proto=model)
    except RuntimeError:
        raise TextError("the sentencepiece model is damaged; make it again with `asr tokens subwords`.") from None


def _package() -> Any:
    return require("subwords", "sentencepiece", "subwords")
