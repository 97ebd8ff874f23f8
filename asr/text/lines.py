"""Lines of text files, plain or packed, one block in memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import IO

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
