"""Which recordings the transcripts in a folder were made of, so that a run that goes on takes none for another's.

Each line names an output and its recording, by path, size and time of change; the last one of an output counts. Lines
are only ever added, each by one write, so that several processes may write into one folder. A line that was torn by a
kill, or a file that is missing, only has recordings transcribed again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from asr.atomic_file import naming
from asr.json_text import parse_json

NAME = ".transcribed.jsonl"
Origin = list[str | int]


def origin_of(recording: str | os.PathLike[str]) -> Origin:
    """What tells a recording from others, and from what it was before a change. Raises OSError if it is not there."""
    entry = os.stat(recording)
    return [os.path.abspath(os.fspath(recording)), entry.st_size, entry.st_mtime_ns]


class Origins:
    """The origins of the outputs below a folder, in a hidden file there."""

    def __init__(self, folder: Path) -> None:
        """Read what earlier runs have noted. Raises OSError where that cannot be read."""
        self._folder, self._path = folder, folder / NAME
        self._known: dict[str, Origin | None] = {}
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        for line in data.splitlines():
            try:
                entry = parse_json(line)
                self._known[entry["output"]] = entry["recording"]
            except (ValueError, KeyError, TypeError):
                continue
        if data and not data.endswith(b"\n"):
            self._write("\n")  # so that the next line stands alone

    def are_of(self, outputs: Iterable[Path], origin: Origin) -> bool:
        """Whether all these outputs are there, made of this recording as it is now."""
        return all(self._known.get(self._name(output)) == origin and output.is_file() for output in outputs)

    def forget(self, outputs: Iterable[Path]) -> None:
        """Note that these outputs are about to be replaced: a kill must not leave them under their former origin."""
        for output in outputs:
            if self._known.get(self._name(output)) is not None:
                self._note(output, None)

    def add(self, outputs: Iterable[Path], origin: Origin) -> None:
        """Note that these outputs were made of this recording."""
        for output in outputs:
            self._note(output, origin)

    def _name(self, output: Path) -> str:
        return os.path.relpath(output, self._folder)

    def _note(self, output: Path, origin: Origin | None) -> None:
        name = self._name(output)
        self._write(json.dumps({"output": name, "recording": origin}) + "\n")
        self._known[name] = origin

    def _write(self, line: str) -> None:
        with naming(self._path), self._path.open("ab", buffering=0) as file:
            file.write(line.encode())
