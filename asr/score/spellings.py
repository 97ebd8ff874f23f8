"""Spellings that count as the same word in scoring, such as British and American ones."""

from __future__ import annotations

from pathlib import Path

from asr.errors import TextError
from asr.text_file import read_text


class Spellings:
    """Groups of equivalent spellings, each of one word or several."""

    def __init__(self, groups: list[list[str]]) -> None:
        """Raises TextError for a spelling that is in two groups."""
        self._first: dict[tuple[str, ...], list[str]] = {}
        for spellings in groups:
            for spelling in spellings:
                words = tuple(spelling.split())
                if words in self._first:
                    raise TextError(f"the spelling '{spelling}' is repeated; write all its equivalents on one line.")
                self._first[words] = spellings[0].split()
        self._longest = max(map(len, self._first), default=1)

    @classmethod
    def read(cls, path: str | Path) -> Spellings:
        """The groups in a file, one a line, separated by spaces, or by tabs if a spelling has several words.

        `#` begins a comment. Raises TextError if the file cannot be read or a line has a single spelling.
        """
        lines = read_text(path).splitlines()
        groups = []
        for number, line in enumerate(lines, 1):
            line = line.partition("#")[0].strip()
            if not line:
                continue
            spellings = [part.strip() for part in line.split("\t") if part.strip()] if "\t" in line else line.split()
            if len(spellings) < 2:
                raise TextError(f"{path} line {number} has a single spelling: {line!r}.")
            groups.append(spellings)
        return cls(groups)

    def unified(self, text: str) -> str:
        """The text with each spelling replaced by the first of its group; left to right, the longest one counts."""
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
