"""Token sets: what an acoustic model's outputs stand for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from asr.errors import TextError
from asr.text_file import read_text

BLANK = "<blank>"
BOUNDARY = "|"  # the end of a word
WORD_START = "\u2581"  # begins those subwords that begin a word, as sentencepiece has it
ENGLISH_CHARACTERS = "'abcdefghijklmnopqrstuvwxyz"


Kind = Literal["characters", "subwords", "phones"]


class Tokens:
    """An ordered set of tokens; a token's place is its id, the blank's is 0.

    Its kind says how tokens make words. Characters and phones are closed by the word boundary; characters run together,
    phones stand apart. Subwords that begin a word are marked by `WORD_START`.

    Raises TextError when the blank is not first, or a token is empty or stands twice.
    """

    def __init__(self, names: Sequence[str], source: str = "tokens") -> None:
        self.names = tuple(names)
        if not self.names or self.names[0] != BLANK:
            first = self.names[0] if self.names else ""
            raise TextError(f"{source}: the first token must be {BLANK}, not '{first}'; reorder model and file alike.")
        self.ids = {name: index for index, name in enumerate(self.names)}
        if len(self.ids) != len(self.names):
            twice = next(name for index, name in enumerate(self.names) if self.ids[name] != index)
            raise TextError(f"{source}: the token '{twice}' stands more than once; remove one.")
        if any(not name or name != name.strip() for name in self.names):
            raise TextError(f"{source}: a token is empty or has spaces around it; write one token a line.")

    @classmethod
    def characters(cls, characters: Iterable[str] = ENGLISH_CHARACTERS) -> Tokens:
        """Blank, word boundary, then the characters."""
        return cls([BLANK, BOUNDARY, *characters])

    @classmethod
    def read(cls, path: str | Path) -> Tokens:
        """Read `tokens.txt`: one token a line, the line's number from 0 is the id."""
        return cls(read_text(path, "token file").removesuffix("\n").split("\n"), str(path))

    def to_text(self) -> str:
        """The content of `tokens.txt`."""
        return "".join(f"{name}\n" for name in self.names)

    @property
    def digest(self) -> str:
        """SHA-256 of the token file's content: models carry it, so that another file is noticed."""
        return hashlib.sha256(self.to_text().encode()).hexdigest()

    @property
    def boundary(self) -> int | None:
        """The id of the word boundary, if the set has one."""
        return self.ids.get(BOUNDARY)

    @cached_property
    def kind(self) -> Kind:
        """What the tokens are: subwords if one is marked as the beginning of a word, else characters if each token but
        blank, boundary and other `<…>` signs is a single character, else phones."""
        if any(name.startswith(WORD_START) for name in self.names):
            return "subwords"
        return "characters" if all(len(name) == 1 or name.startswith("<") for name in self.names) else "phones"

    @property
    def are_characters(self) -> bool:
        """Whether the tokens are characters."""
        return self.kind == "characters"

    @property
    def spells_words(self) -> bool:
        """Whether a word's letters are enough to spell it, without a lexicon."""
        return self.kind != "phones"

    @property
    def marks_words(self) -> bool:
        """Whether the tokens alone tell how words are written, and where one ends and the next begins."""
        return self.kind == "subwords" or (self.are_characters and self.boundary is not None)

    def __len__(self) -> int:
        return len(self.names)

    def spell(self, word: str) -> list[int] | None:
        """Ids of a word's spelling, or None if the set cannot spell it.

        Characters: each, and the boundary, which no word holds. Subwords: as few as there may be, the longest first;
        sentencepiece's own choice may differ. Phones: each character that is one, which is hardly ever meant: a lexicon
        spells words.
        """
        if self.kind == "subwords":
            return self._fewest_subwords(WORD_START + word)
        ids = [None if character == BOUNDARY else self.ids.get(character) for character in word]
        if self.boundary is not None:
            ids.append(self.boundary)
        known = [index for index in ids if index is not None]
        return known if len(known) == len(ids) else None

    def _fewest_subwords(self, marked: str) -> list[int] | None:
        """Ids of the fewest subwords that `marked`, a word with its mark, can be cut into."""
        longest = max(map(len, self.names))
        best: list[list[int] | None] = [[]]  # of what lies behind each place, from the end on
        for start in range(len(marked) - 1, -1, -1):
            ways = []
            for end in range(min(len(marked), start + longest), start, -1):
                rest = best[len(marked) - end]
                if rest is not None and (index := self.ids.get(marked[start:end])) is not None:
                    ways.append([index, *rest])
            best.append(min(ways, key=len, default=None))
        return best[-1]

    def encode(self, text: str) -> list[int]:
        """Ids of a text's words, each spelled. Raises TextError naming the characters that have no token."""
        ids: list[int] = []
        for word in text.split():
            spelled = self.spell(word)
            if spelled is None:
                unknown = sorted({sign for sign in word if sign not in self.ids or sign == BOUNDARY})
                shown = " ".join(map(repr, unknown))
                raise TextError(f"'{word}' holds {shown}, which no token stands for")
            ids.extend(spelled)
        return ids

    def split(self, ids: Sequence[int]) -> list[tuple[str, int, int]]:
        """The words that token ids spell: text, place of its first token among the ids, place after its last.

        A word boundary belongs to no word.
        """
        subwords = self.kind == "subwords"
        bounds: list[tuple[int, int]] = []
        for place, index in enumerate(ids):
            if index == self.boundary:
                continue
            follows = bool(bounds) and bounds[-1][1] == place
            if follows and not (subwords and self.names[index].startswith(WORD_START)):
                bounds[-1] = (bounds[-1][0], place + 1)
            else:
                bounds.append((place, place + 1))
        words = [(self._text([self.names[index] for index in ids[first:end]]), first, end) for first, end in bounds]
        return [word for word in words if word[0]]

    def join(self, ids: Sequence[int]) -> str:
        """Text of token ids: characters and subwords as words, phones apart without the boundary."""
        return " ".join(text for text, _, _ in self.split(ids))

    def _text(self, names: Sequence[str]) -> str:
        """The text of one word's tokens."""
        if self.kind == "phones":
            return " ".join(names)
        return "".join(names).replace(WORD_START, "").strip()
