"""Token sets: what an acoustic model's outputs stand for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from asr.errors import TextError

BLANK = "<blank>"
BOUNDARY = "|"  # the end of a word
ENGLISH_CHARACTERS = "'abcdefghijklmnopqrstuvwxyz"


class Tokens:
    """An ordered set of tokens; a token's place is its id, the blank's is 0.

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
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise TextError(f"cannot read token file {path}: {error.strerror}; check the path.") from None
        except UnicodeDecodeError:
            raise TextError(f"token file {path} is not UTF-8; write it again as UTF-8.") from None
        return cls(text.removesuffix("\n").split("\n"), str(path))

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

    @property
    def are_characters(self) -> bool:
        """Whether every token but blank, boundary and other `<…>` signs is a single character."""
        return all(len(name) == 1 or name.startswith("<") for name in self.names)

    def __len__(self) -> int:
        return len(self.names)

    def spell(self, word: str) -> list[int] | None:
        """Ids of a word's characters and the boundary, or None if the set lacks one of them."""
        ids = [self.ids.get(character) for character in word]
        if self.boundary is not None:
            ids.append(self.boundary)
        known = [index for index in ids if index is not None]
        return known if len(known) == len(ids) else None

    def encode(self, text: str) -> list[int]:
        """Ids of a text's words, each spelled. Raises TextError naming the characters that have no token."""
        ids: list[int] = []
        for word in text.split():
            spelled = self.spell(word)
            if spelled is None:
                unknown = sorted({character for character in word if character not in self.ids})
                shown = " ".join(repr(character) for character in unknown)
                raise TextError(f"'{word}' holds {shown}, which no token stands for")
            ids.extend(spelled)
        return ids

    def join(self, ids: Sequence[int]) -> str:
        """Text of token ids: characters run together, other tokens apart, the boundary as a space."""
        names = [self.names[index] for index in ids]
        if self.are_characters:
            return " ".join("".join(" " if name == BOUNDARY else name for name in names).split())
        return " ".join(name for name in names if name != BOUNDARY)
