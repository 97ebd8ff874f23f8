"""Lines of text files, plain or packed, one block in memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from asr.atomic_file import replacing
from asr.errors import TextError


def read_lines(path: str | Path, encoding: str = "utf-8") -> Iterator[str]:
    """The lines of a UTF-8 file without their ends; .gz, .bz2 and .xz are unpacked.

    Raises TextError naming the file, and the line if it is not UTF-8 (or the other `encoding`).
    """
    path = Path(path)
    number = 0
    try:
        with _open(path) as file:
            for line in file:
                number += 1
                yield line.decode(encoding).rstrip("\r\n")
    except FileNotFoundError:
        raise TextError(f"{path} does not exist; check the path.") from None
    except UnicodeDecodeError as error:
        name = encoding.upper()
        raise TextError(f"{path} line {number} is not {name} ({error.reason}); convert the file to UTF-8.") from None
    except LookupError:
        raise TextError(f"unknown encoding '{encoding}'; use utf-8, latin-1 or another of Python's names.") from None
    except (EOFError, OSError, lzma.LZMAError) as error:
        raise TextError(f"{path} cannot be read ({error}); is it damaged or cut short?") from None


def _open(path: Path) -> IO[bytes]:
    openers = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return openers.get(path.suffix, open)(path, "rb")  # type: ignore[operator]


@contextmanager
def line_writer(path: str | Path) -> Iterator[Callable[[str], object]]:
    """What writes one line to a UTF-8 file, whole or absent at the end; .gz, .bz2 and .xz are packed."""
    path = Path(path)
    with replacing(path) as temporary:
        packers: dict[str, Callable[[], IO[bytes]]] = {
            ".gz": lambda: gzip.GzipFile("", "wb", 6, temporary.open("wb"), mtime=0),  # type: ignore[dict-item,return-value]
            ".bz2": lambda: bz2.BZ2File(temporary, "wb"),  # type: ignore[dict-item,return-value]
            ".xz": lambda: lzma.LZMAFile(temporary, "wb"),  # type: ignore[dict-item,return-value]  # noqa: SIM115 - closed below
        }
        packed = packers.get(path.suffix, lambda: temporary.open("wb"))()
        with packed, io.BufferedWriter(packed, 1 << 20) as file:  # type: ignore[type-var]
            yield lambda line: file.write(line.encode() + b"\n")
