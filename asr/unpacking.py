"""Files that may be packed (.gz, .bz2, .xz), unpacked up to a limit: a small file can unpack to any size."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

from asr.errors import ConfigError, TextError

SETTING = "ASR_MAX_UNPACKED_MB"  # of the environment: what a packed file may unpack to
USUAL_RATIO = 100  # text packs to a fifth, tables of numbers to a tenth
ALWAYS_ALLOWED = 64 << 20  # bytes
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)  # what reading a damaged file raises

GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ"


def unpacked_name(path: Path) -> Path:
    """The path without .gz, .bz2 or .xz at its end."""
    return path.with_suffix("") if path.suffix in (".gz", ".bz2", ".xz") else path


def unpacked_limit(path: Path) -> int:
    """The bytes that a packed file may unpack to: `SETTING`, else a hundred times its size, and 64 MiB at least.

    Raises ConfigError if the setting is no number.
    """
    given = os.environ.get(SETTING)
    if given is None:
        return max(ALWAYS_ALLOWED, USUAL_RATIO * path.stat().st_size)
    if not given.isdecimal() or len(given) > 12:
        raise ConfigError(f"the environment variable {SETTING} must be a whole number of MB, not '{given}'.")
    return int(given) << 20


def open_unpacked(path: Path, by_content: bool = False) -> BinaryIO:
    """The content of a file, unpacked if its name says that it is packed, or with `by_content` its first bytes.

    Reading raises one of `DAMAGED` for a damaged file, and TextError for one that unpacks to more than its limit.
    """
    kind = path.suffix
    if by_content:
        with path.open("rb") as file:
            head = file.read(6)
        starts = {GZIP: ".gz", BZIP2: ".bz2", XZ: ".xz"}
        kind = next((ending for start, ending in starts.items() if head.startswith(start)), "")
    openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    if kind not in openers:
        return path.open("rb")
    return cast(BinaryIO, io.BufferedReader(_Limited(path, openers[kind](path, "rb")), 1 << 16))


class _Limited(io.RawIOBase):
    """A packed file that ends with an error where it has unpacked to more than it may."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._limit = unpacked_limit(path)
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._read += len(data)
        if self._read > self._limit:
            raise TextError(
                f"{self._path} unpacks to more than {self._limit >> 20} MB, more than its size lets expect; if it is "
                f"meant to, set the environment variable {SETTING} to the MB that it may take."
            )
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
