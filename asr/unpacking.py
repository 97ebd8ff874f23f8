"""Files that may be packed (.gz, .bz2, .xz). They are unpacked up to a limit: a small file can unpack to any size."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

from asr.errors import AsrError, ConfigError, TextError
from asr.text_file import read_text

SETTING = "ASR_MAX_UNPACKED_MB"  # of the environment: what a packed file may unpack to
USUAL_RATIO = 100  # text packs to a fifth, tables of numbers to a tenth
ALWAYS_ALLOWED = 64 << 20  # bytes
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)  # what reading a damaged file raises

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
PACKED = tuple(_OPENERS)  # how the names of packed files end
# Predicting text by the four highest bits of the byte before, wherever that lies in a word of four bytes.
SMALL_TEXT = {
    "id": lzma.FILTER_LZMA2, "preset": 6 | lzma.PRESET_EXTREME, "lc": 4, "pb": 0, "dict_size": 16 << 20,
}  # fmt: skip
GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ"


def unpacked_name(path: Path) -> Path:
    """The path without .gz, .bz2 or .xz at its end."""
    return path.with_suffix("") if path.suffix in PACKED else path


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
    if kind not in _OPENERS:
        return path.open("rb")
    return cast(BinaryIO, io.BufferedReader(_Limited(path, _OPENERS[kind](path, "rb")), 1 << 16))


def read_unpacked(path: Path, what: str = "", error: type[AsrError] = TextError) -> str:
    """The content of a UTF-8 file, unpacked if its name says that it is packed; otherwise as `read_text`."""
    if path.suffix not in PACKED:
        return read_text(path, what, error)
    name = f"{what} {path}".strip()
    try:
        with open_unpacked(path) as file:
            return file.read().decode("utf-8-sig")
    except FileNotFoundError:
        raise error(f"cannot read {name}: there is no such file; check the path.") from None
    except UnicodeDecodeError as reason:
        raise error(f"{name} is not UTF-8 (byte {reason.start}); write it again as UTF-8.") from None
    except DAMAGED as reason:
        raise error(f"{name} cannot be read ({reason}); is it damaged or cut short?") from None
    except TextError as reason:  # it unpacks to too much
        raise error(str(reason)) from None


def packed(path: Path, raw: BinaryIO, small: bool = False) -> BinaryIO:
    """What packs into the open file `raw` as the name of `path` says, or `raw` itself; to be closed before `raw`.

    The same content gives the same bytes. small: take more time to pack text a little smaller, within 200 MB of memory
    (the highest preset of .xz takes 670).
    """
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.GzipFile("", "wb", 9 if small else 6, raw, mtime=0))
    if path.suffix == ".bz2":
        return cast(BinaryIO, bz2.BZ2File(raw, "wb"))
    if path.suffix == ".xz":
        return cast(BinaryIO, lzma.LZMAFile(raw, "wb", filters=[SMALL_TEXT] if small else None))
    return raw


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
