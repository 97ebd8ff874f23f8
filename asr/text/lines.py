"""Text files, plain or compressed, line by line; CSV files, row by row."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Iterator
from pathlib import Path

from asr.errors import DataError, TextError


def read_lines(path: str | Path, encoding: str = "utf-8") -> Iterator[str]:
    """The lines of a text file without their line ends; .gz, .bz2 and .xz files are unpacked block by block.

    Raises TextError naming the file, and the line if it is not in the given encoding.
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


def read_csv(path: str | Path, delimiter: str = ",", encoding: str = "utf-8-sig") -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, each with the number of the line that it ends on; .gz is unpacked.

    Raises DataError naming the file if it is missing, damaged or not in the given encoding.
    """
    path = Path(path)
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding=encoding, newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, row
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; check the path.") from None
    except LookupError:
        raise DataError(f"unknown encoding '{encoding}'; use utf-8, latin-1 or another of Python's names.") from None
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV ({error}).") from None


def _open(path: Path) -> io.BufferedIOBase:
    match path.suffix:
        case ".gz":
            return gzip.open(path, "rb")
        case ".bz2":
            return bz2.open(path, "rb")
        case ".xz":
            return lzma.open(path, "rb")
        case _:
            return path.open("rb")
