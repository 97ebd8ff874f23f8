"""Lines of text files, plain or packed, one block in memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from asr.atomic_file import replacing
from asr.errors import TextError

LINES_AT_ONCE = 1000  # that are packed at once


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
    return openers.get(path.suffix, open)(path, "rb")  # type: ignore[operator,no-any-return]


@contextmanager
def line_writer(path: str | Path) -> Iterator[Callable[[str], object]]:
    """What writes one line to a UTF-8 file, whole or absent at the end; .gz, .bz2 and .xz are packed."""
    path = Path(path)
    with replacing(path) as temporary, temporary.open("wb") as raw, ExitStack() as files:
        packed: gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile | BinaryIO = raw
        if path.suffix == ".gz":
            packed = files.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
        elif path.suffix == ".bz2":
            packed = files.enter_context(bz2.BZ2File(raw, "wb"))
        elif path.suffix == ".xz":
            packed = files.enter_context(lzma.LZMAFile(raw, "wb"))
        pending: list[str] = []

        def write(line: str) -> None:
            pending.append(line)
            if len(pending) == LINES_AT_ONCE:
                flush()

        def flush() -> None:
            packed.write("".join(f"{line}\n" for line in pending).encode())
            pending.clear()

        yield write
        flush()
