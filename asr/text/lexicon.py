"""Lexicons: how each word is spelled in tokens."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from asr.errors import TextError
from asr.text.tokens import BOUNDARY, Tokens

Pronunciations = dict[str, list[tuple[str, ...]]]

_STRESS = re.compile(r"(?<=[A-Z])[0-2]$")
_VARIANT = re.compile(r"\(\d+\)$")


class Lexicon:
    """Words with one or more spellings each, as token names (the word boundary included where it is used)."""

    def __init__(self, spellings: Mapping[str, Iterable[tuple[str, ...]]]) -> None:
        self.spellings: Pronunciations = {word: list(dict.fromkeys(ways)) for word, ways in spellings.items()}

    @classmethod
    def read(cls, path: str | Path) -> Lexicon:
        """Read `lexicon.txt` (or `.gz`): `WORD<TAB>T O K E N S |`, a line a spelling. Raises TextError."""
        spellings: Pronunciations = {}
        for number, line in enumerate(_read_text(path, "lexicon").splitlines(), 1):
            if not line.strip():
                continue
            word, _, tokens = line.partition("\t")
            if not word.strip() or not tokens.split():
                raise TextError(f"lexicon {path} line {number} is not 'WORD<TAB>T O K E N S': {line[:60]!r}.")
            spellings.setdefault(word.strip(), []).append(tuple(tokens.split()))
        if not spellings:
            raise TextError(f"lexicon {path} is empty; it must hold at least one word.")
        return cls(spellings)

    @classmethod
    def of_characters(cls, words: Iterable[str], tokens: Tokens) -> Lexicon:
        """Every word spelled by its characters; words with a character outside the tokens are left out."""
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
        """Token ids of a text, each word in its first spelling. Raises TextError for what is unknown."""
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


def read_cmudict(path: str | Path, lower: bool = True) -> Pronunciations:
    """Read a dictionary in CMUdict's form (`word P1 P2`, `word(2) P1 P2`, `# comment`), stress marks removed.

    Phones are as in the file, without 0/1/2; entries with characters beyond letters and apostrophes are left out.
    """
    pronunciations: Pronunciations = {}
    for line in _read_text(path, "dictionary").splitlines():
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
    """A lexicon of pronunciations, each closed by the word boundary."""
    return Lexicon({word: [(*way, BOUNDARY) for way in ways] for word, ways in pronunciations.items()})


def _read_text(path: str | Path, what: str) -> str:
    try:
        data = Path(path).read_bytes()
        return (gzip.decompress(data) if str(path).endswith(".gz") else data).decode("utf-8")
    except OSError as error:
        raise TextError(f"cannot read {what} {path}: {error.strerror or error}; check the path.") from None
    except (UnicodeDecodeError, EOFError) as error:
        raise TextError(f"{what} {path} is damaged or not UTF-8 ({error}).") from None
