"""What language models read in place of words: characters, or the pieces of a sentencepiece model.

Each word ends with a mark of its own, so that the units of a word say where it ends, and the probability of a word is
the product of its units'.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from asr.errors import ConfigError, TextError
from asr.extras import require

WORD_END = "▁"
KEPT_WHOLE = ("<unk>", "</s>")
REMEMBERED_WORDS = 200_000


class Units:
    """Splits words. `name` is "characters" or "sentencepiece"; `model` holds the latter's file."""

    def __init__(self, name: str, model: bytes = b"") -> None:
        """Raises TextError for a damaged model, ConfigError where the package is missing."""
        self.name, self.model = name, model
        self._pieces: Any = None
        if name == "sentencepiece":
            self._pieces = _processor(model)
        elif name != "characters":
            raise ConfigError(f"unknown units '{name}'; use words, characters, or a sentencepiece model's file.")
        self._split = lru_cache(REMEMBERED_WORDS)(self._split_word)

    @classmethod
    def read(cls, name: str) -> Units | None:
        """Of a configuration: "words" (None), "characters", or the path of a sentencepiece model."""
        if name == "words":
            return None
        if Path(name).suffix != ".model":
            return cls(name)
        try:
            return cls("sentencepiece", Path(name).read_bytes())
        except OSError as error:
            raise TextError(f"{name} cannot be read ({error.strerror}); `asr tokens subwords` makes it.") from None

    def split(self, word: str) -> list[str]:
        """The units of one word, the last of them marked or a mark."""
        return list(self._split(word))

    def spell(self, line: str) -> str:
        """A line of words as a line of units."""
        return " ".join(unit for word in line.split() for unit in self._split(word))

    def _split_word(self, word: str) -> tuple[str, ...]:
        if word in KEPT_WHOLE:
            return (word,)
        if self._pieces is None:
            return (*word, WORD_END)
        pieces = self._pieces.encode(word, out_type=str)
        return tuple(pieces) if pieces and pieces[-1].endswith(WORD_END) else (*pieces, WORD_END)


def train_subwords(lines: Any, size: int) -> bytes:
    """A sentencepiece model (unigram; Kudo 2018) of so many pieces, whose words end with the mark.

    Raises TextError where the text is too small for it.
    """
    import io

    sentencepiece = _package()
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, vocab_size=size, treat_whitespace_as_suffix=True,
            add_dummy_prefix=True, normalization_rule_name="identity", character_coverage=1.0, bos_id=-1, eos_id=-1,
            minloglevel=2,
        )  # fmt: skip
    except (RuntimeError, OSError) as error:
        reason = str(error).split(") ")[-1].strip() or "the text is empty"
        raise TextError(f"no {size} subwords can be made of this text ({reason}); ask for fewer.") from None
    return model.getvalue()


def _processor(model: bytes) -> Any:
    try:
        return _package().SentencePieceProcessor(model_proto=model)
    except RuntimeError:
        raise TextError("the sentencepiece model is damaged; make it again with `asr tokens subwords`.") from None


def _package() -> Any:
    return require("subwords", "sentencepiece", "subwords")
