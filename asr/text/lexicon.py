"""Lexicons: the spellings of each word in tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from asr.errors import TextError
from asr.text.lines import read_lines
from asr.text.tokens import BOUNDARY, Tokens

Pronunciations = dict[str, list[tuple[str, ...]]]

_STRESS = re.compile(r"(?<=[A-Z])[0-2]$")
_VARIANT = re.compile(r"\(\d+\)$")


class Lexicon:
    """Words with one or more spellings each, as token names (the word boundary included where it is used)."""

    def __init__(self, spellings: Mapping[str, Iterable[tuple[str, ...]]]) -> None:
        self._spellings: Pronunciations | None = {word: list(dict.fromkeys(ways)) for word, ways in spellings.items()}
        self.source: Path | None = None  # the file that was read; None for a lexicon made in memory

    @classmethod
    def read(cls, path: str | Path) -> Lexicon:
        """The lexicon in a file such as `lexicon.txt` or `lexicon.txt.gz`: `WORD<TAB>T O K E N S |` lines.

        Raises TextError if the file cannot be read or is no lexicon.
        """
        lexicon = cls.later(path)
        _ = lexicon.spellings
        return lexicon

    @classmethod
    def later(cls, path: str | Path) -> Lexicon:
        """The lexicon at `path`, which is read when a spelling is first needed; errors are raised then.

        A relative path starts where the program is now.
        """
        lexicon = cls({})
        lexicon._spellings, lexicon.source = None, Path(path).absolute()
        return lexicon

    @property
    def spellings(self) -> Pronunciations:
        """The spellings of each word. Raises TextError if the file cannot be read or is no lexicon."""
        if self._spellings is None:
            assert self.source is not None
            self._spellings = _parse(self.source)
        return self._spellings

    @classmethod
    def of_characters(cls, words: Iterable[str], tokens: Tokens) -> Lexicon:
        """A lexicon that spells words by their characters; words with a character that is no token are left out."""
        spelled = {word: tokens.spell(word) for word in words}
        return cls({word: [tuple(tokens.names[i] for i in ids)] for word, ids in spelled.items() if ids})

    def to_text(self) -> str:
        """The content of `lexicon.txt`, sorted by word."""
        return "".join(
            f"{word}\t{' '.join(tokens)}\n" for word in sorted(self.spellings) for tokens in self.spellings[word]
        )

    def __len__(self) -> int:
        return len(self.spellings)

    def encode(self, text: str, tokens: Tokens) -> list[int]:
        """Token ids of a text, each word in its first spelling. Raises TextError for an unknown word or token."""
        ids: list[int] = []
        for word in text.split():
            ways = self.spellings.get(word)
            if not ways:
                raise TextError(f"the word '{word}' is not in the lexicon")
            for name in ways[0]:
                if name not in tokens.ids:
                    raise TextError(f"the lexicon spells '{word}' with '{name}', which is no token")
                ids.append(tokens.ids[name])
        return ids


def read_spelled(path: str | Path, tokens: Tokens) -> dict[str, list[int]]:
    """Token ids by utterance, from a file of `ID TOKEN TOKEN …` lines as `asr tokens spell` writes it.

    Raises TextError with the line number for an unknown token or a repeated id.
    """
    spellings: dict[str, list[int]] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        name, *spelled = line.split()
        unknown = [token for token in spelled if token not in tokens.ids]
        if unknown or name in spellings:
            reason = f"'{unknown[0]}' is no token" if unknown else f"the id '{name}' is repeated"
            raise TextError(f"{path} line {number}: {reason}.")
        spellings[name] = [tokens.ids[token] for token in spelled]
    return spellings


def read_cmudict(path: str | Path, lower: bool = True) -> Pronunciations:
    """The pronunciations in a dictionary of CMUdict's form (`word P1 P2`, `word(2) P1 P2`, `# comment`).

    Stress marks (0, 1, 2) are removed from phones; entries that are not letters and apostrophes alone are left out.
    Raises TextError if the file cannot be read or has no such entry.
    """
    pronunciations: Pronunciations = {}
    for line in read_lines(path):
        word, _, phones = line.split("#")[0].strip().partition(" ")
        word = _VARIANT.sub("", word.lower() if lower else word)
        if not phones or not re.fullmatch(r"[A-Za-z']+", word):
            continue
        ways = pronunciations.setdefault(word, [])
        way = tuple(_STRESS.sub("", phone) for phone in phones.split())
        if way not in ways:
            ways.append(way)
    if not pronunciations:
        raise TextError(f"{path} holds no entry of the form 'word P1 P2'; is it a pronouncing dictionary?")
    return pronunciations


def with_boundary(pronunciations: Pronunciations) -> Lexicon:
    """A lexicon of pronunciations, each ended by the word boundary."""
    return Lexicon({word: [(*way, BOUNDARY) for way in ways] for word, ways in pronunciations.items()})


def with_states(pronunciations: Pronunciations, states: int) -> Lexicon:
    """A lexicon of hidden Markov states, `AA.1 AA.2 AA.3` for each phone, without word boundaries."""
    return Lexicon(
        {
            word: [tuple(f"{phone}.{state}" for phone in way for state in range(1, states + 1)) for way in ways]
            for word, ways in pronunciations.items()
        }
    )


def _parse(path: Path) -> Pronunciations:
    spellings: dict[str, dict[tuple[str, ...], None]] = {}  # in order, each once
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        word, _, tokens = line.partition("\t")
        word, way = word.strip(), tuple(tokens.split())
        if not word or not way:
            raise TextError(f"lexicon {path} line {number} is not 'WORD<TAB>T O K E N S': {line[:60]!r}.")
        spellings.setdefault(word, {})[way] = None
    if not spellings:
        raise TextError(f"lexicon {path} is empty; it must hold at least one word.")
    return {word: list(ways) for word, ways in spellings.items()}
