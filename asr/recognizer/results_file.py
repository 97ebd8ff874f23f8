"""A file of results, one JSON object a line, that a kill at any moment leaves usable."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from asr.atomic_file import naming
from asr.errors import ConfigError, DataError
from asr.file_lock import lock
from asr.json_text import parse_json

FLUSH_SECONDS = 5.0  # between two flushes to disk, which a loss of power may cost


class ResultsFile:
    """Transcripts as JSON lines. Each is added by one write of a whole line; a torn last line is dropped.

    `done` holds the files that have their line. What failed has none, so that it is tried again. A pipe or a device,
    such as /dev/stdout, takes the lines and holds none of before.
    """

    def __init__(self, path: str | Path, resume: bool = False) -> None:
        """resume: go on with a file that is there and holds something, which otherwise is an error.

        Raises ConfigError for a file that is there or is in use, DataError for one that holds other things.
        """
        self._path = Path(path)
        self.done: set[str] = set()
        self._kept = self._path.is_file() or not self._path.exists()
        if not resume and self._path.is_file() and self._path.stat().st_size:
            raise ConfigError(f"{path} exists; go on with it by `resume`, or give another `output`.")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._flushed = time.monotonic()
        if not self._kept:
            self._descriptor = os.open(self._path, os.O_WRONLY)
            return
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            lock(self._descriptor, f"another process writes {self._path}; wait, or give another `output`.")
            self._read()
        except BaseException:
            os.close(self._descriptor)
            raise

    def add(self, file: str, line: str) -> None:
        """Add the line of a file. A second one for the same file is ignored.

        Raises OSError naming the results where they cannot be written; a part of the line is then taken back, since
        the next one may find room.
        """
        if file in self.done:
            return
        data = line.encode(errors="backslashreplace")  # as JSON escapes what is in no Unicode text
        before = os.fstat(self._descriptor).st_size
        try:
            with naming(self._path):
                while data:
                    data = data[os.write(self._descriptor, data) :]
        except OSError:
            if self._kept:
                os.ftruncate(self._descriptor, before)
            raise
        self.done.add(file)
        if self._kept and time.monotonic() - self._flushed > FLUSH_SECONDS:
            os.fsync(self._descriptor)
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Flush to disk and close."""
        if self._kept:
            os.fsync(self._descriptor)
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        self.done = set(files_of(whole, self._path))
        if len(whole) < len(data):
            if not data.startswith(b"{", len(whole)):
                raise DataError(f"{self._path} does not end in a result of a file; give another `output`.")
            os.truncate(self._path, len(whole))


def files_of(data: bytes, path: Path) -> list[str]:
    """The files that lines of results are of. path: for messages. Raises DataError for other lines."""
    files = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            name = parse_json(line)["file"]
            if not isinstance(name, str):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{path}: line {number} is no result of a file; correct it.") from None
        files.append(name)
    return files


def in_shard(files: Iterable[str], index: int, count: int) -> list[str]:
    """The files of shard `index` of `count`, from 1: chosen by their names alone, whatever else is in the list."""
    return [file for file in files if _number(file) % count == index - 1]


def _number(file: str) -> int:
    return int.from_bytes(hashlib.sha256(file.encode(errors="surrogateescape")).digest()[:8], "big")
