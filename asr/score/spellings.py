"""Spellings that count as one in scoring: British and American, one word or two."""

from __future__ import annotations

from pathlib import Path

from asr.errors import TextError


class Spellings:
    """Classes of words, or sequences of words, of which each stands for its class's first one."""

    def __init__(self, classes: list[list[str]]) -> None:
        """Raises TextError for a spelling that is in two classes."""
        self._first: dict[tuple[str, ...], list[str]] = {}
        for spellings in classes:
            for spelling in spellings:
                words = tuple(spelling.split())
                if words in self._first:
                    raise TextError(f"the spelling '{spelling}' stands twice; put all that equals it on one line.")
                self._first[words] = spellings[0].split()
        self._longest = max(map(len, self._first), default=1)

    @classmethod
    def read(cls, path: str | Path) -> Spellings:
        """From lines of equal spellings, apart by spaces, or by tabs where one is of several words; `#` is a comment.

        Raises TextError for a file that cannot be read or a line with one spelling only.
        """
        path = Path(path)
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise TextError(f"cannot read {path}: {error}; check the path.") from None
        classes = []
        for number, line in enumerate(lines, 1):
            line = line.partition("#")[0].strip()
            if not line:
                continue
            spellings = [part.strip() for part in line.split("\t") if part.strip()] if "\t" in line else line.split()
            if len(spellings) < 2:
                raise TextError(f"{path} line {number} has one spelling only: {line!r}.")
            classes.append(spellings)
        return cls(classes)

    def unified(self, text: str) -> str:
        """The text with every spelling, the longest first from left to right, as its class's first one."""
        words, out, place = text.split(), [], 0
        while place < len(words):
            for length in range(min(self._longest, len(words) - place), 0, -1):
                first = self._first.get(tuple(words[place : place + length]))
                if first is not None:
                    out += first
                    place += length
                    break
            else:
                out.append(words[place])
                place += 1
        return " ".join(out)
