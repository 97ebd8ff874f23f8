"""Hotwords as a user names them: phrases in any case, with boosts and pronunciations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.errors import ConfigError, TextError
from asr.text.lines import can_be_written, read_lines

NEW_WORD_BOOST = 9.0  # nats, of a phrase with a word that the lexicon lacks, which no language model knows
HOTWORD_BOOST = 6.0  # nats; chosen on utterances of dev-clean-part, `tools/bench/hotwords.py`


@dataclass(frozen=True)
class Hotword:
    """A phrase to favour. It is written in transcripts as it is here.

    boost: in nats; None for the default. pronunciations: in the model's tokens, "K N EY Z ER", the words of a phrase
    apart by "|"; without one the lexicon's are used, and letter-to-sound for words that it lacks.
    """

    phrase: str
    boost: float | None = None
    pronunciations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.phrase.split():
            raise ConfigError("a hotword is empty; give a word or a phrase.")
        if not can_be_written(" ".join([self.phrase, *self.pronunciations])):
            raise TextError(f"hotword {self.phrase!r} holds what is no character; give it as UTF-8.")
        words = len(self.phrase.split())
        for said in self.pronunciations:
            if len(parts(said)) != words:
                raise ConfigError(
                    f"hotword '{self.phrase}': its pronunciation '{said}' is of {len(parts(said))} words, the phrase "
                    f"of {words}; put | between words."
                )

    def nats(self, new: bool = False) -> float:
        """The boost, or the default one. new: whether it has a word that the lexicon lacks."""
        default = NEW_WORD_BOOST if new else HOTWORD_BOOST
        return default if self.boost is None else self.boost


Hotwords = Mapping[str, float] | Iterable[str | Hotword]
"""Phrases to favour: each with its boost in nats, or as a list."""


def parts(pronunciation: str) -> list[list[str]]:
    """The tokens of each word of a pronunciation."""
    return [word.split() for word in pronunciation.strip(" |").split("|")]


def as_hotwords(hotwords: Hotwords | None) -> tuple[Hotword, ...]:
    """Hotwords as they are given, each phrase once: the last boost counts, and all pronunciations."""
    if hotwords is None:
        return ()
    if isinstance(hotwords, Mapping):
        return tuple(Hotword(phrase, boost) for phrase, boost in hotwords.items() if phrase.split())
    if isinstance(hotwords, str):
        raise ConfigError("hotwords are a list of phrases, or phrases with boosts, not one text.")
    joined: dict[str, Hotword] = {}
    for given in hotwords:
        hotword = given if isinstance(given, Hotword) else Hotword(given)
        phrase = " ".join(hotword.phrase.split())
        before = joined.get(phrase, Hotword(phrase))
        boost = before.boost if hotword.boost is None else hotword.boost
        joined[phrase] = Hotword(phrase, boost, (*before.pronunciations, *hotword.pronunciations))
    return tuple(joined.values())


def parse_hotword(text: str, separator: str = "=") -> Hotword:
    """The hotword in a text such as `Kneser Ney`, `Kneser=4` or `Kneser=k n ey z er`.

    After the phrase, a number is the boost in nats and anything else a pronunciation; empty fields are left out. Raises
    ConfigError where the phrase is empty or there are two boosts.
    """
    phrase, *fields = (field.strip() for field in text.split(separator))
    numbers = [number for field in fields if (number := _number(field)) is not None]
    if len(numbers) > 1:
        raise ConfigError(f"hotword '{text}' has {len(numbers)} boosts; give one.")
    if any(number != number or abs(number) == float("inf") for number in numbers):
        raise ConfigError(f"hotword '{text}': its boost must be a number of nats, such as 3.")
    said = tuple(field for field in fields if field and _number(field) is None)
    return Hotword(" ".join(phrase.split()), numbers[0] if numbers else None, said)


def read_hotwords(path: str | Path) -> list[Hotword]:
    """The hotwords in a file, one a line: PHRASE, then after tabs its boost in nats and its pronunciations.

    Empty lines and lines that begin with `#` are left out. Raises TextError if it cannot be read, ConfigError with the
    line number for what is no hotword.
    """
    hotwords: list[Hotword] = []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            hotwords.append(parse_hotword(line, "\t"))
        except ConfigError as error:
            raise ConfigError(f"{path} line {number}: {error}") from None
    return hotwords


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


class WrittenForms:
    """How phrases are written where they are not written as the search names their words."""

    def __init__(self, forms: Mapping[tuple[str, ...], Sequence[str]]) -> None:
        """forms: the search's words of each phrase, and the words as they are written, as many."""
        self._by_first: dict[str, list[tuple[tuple[str, ...], Sequence[str]]]] = {}
        for words, written in forms.items():
            if words != tuple(written):
                self._by_first.setdefault(words[0], []).append((words, written))
        for phrases in self._by_first.values():
            phrases.sort(key=lambda phrase: -len(phrase[0]))

    def __bool__(self) -> bool:
        return bool(self._by_first)

    def applied(self, words: Sequence[str]) -> list[str]:
        """The words, those of phrases as they are written; of phrases that overlap, the first and longest."""
        written: list[str] = []
        while len(written) < len(words):
            place = len(written)
            for phrase, form in self._by_first.get(words[place], ()):
                if tuple(words[place : place + len(phrase)]) == phrase:
                    written += form
                    break
            else:
                written.append(words[place])
        return written
