"""Text files, plain or compressed, line by line; CSV files, row by row."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from asr.atomic_file import replacing
from asr.errors import DataError, TextError
from asr.unpacking import DAMAGED, open_unpacked, packed

LINES_AT_ONCE = 1000  # that are packed at once
BYTES_AT_ONCE = 1 << 18  # that are unpacked at once
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character of JSON, or a byte of an argument that is no UTF-8


def can_be_written(text: str) -> bool:
    """Whether a text has UTF-8, which halves of surrogate pairs have not."""
    return _SURROGATE.search(text) is None


def read_lines(path: str | Path, encoding: str = "utf-8") -> Iterator[str]:
    """The lines of a text file without line ends and byte order mark; .gz, .bz2, .xz are unpacked block by block.

    Raises TextError naming the file, and the line if it is not in the given encoding.
    """
    path = Path(path)
    number = 0
    try:
        with open_unpacked(path) as file:
            for line in file:
                number += 1
                if number == 1 and line.startswith(codecs.BOM_UTF8) and codecs.lookup(encoding).name == "utf-8":
                    line = line.removeprefix(codecs.BOM_UTF8)
                yield line.decode(encoding).rstrip("\r\n")
    except FileNotFoundError:
        raise TextError(f"{path} does not exist; check the path.") from None
    except UnicodeDecodeError as error:
        name = encoding.upper()
        raise TextError(f"{path} line {number} is not {name} ({error.reason}); convert the file to UTF-8.") from None
    except LookupError:
        raise TextError(f"unknown encoding '{encoding}'; use utf-8, latin-1 or another of Python's names.") from None
    except DAMAGED as error:
        raise TextError(f"{path} cannot be read ({error}); is it damaged or cut short?") from None


def read_blocks(path: str | Path) -> Iterator[bytes]:
    """The content of a file in blocks; .gz, .bz2 and .xz files are unpacked. Raises TextError naming the file."""
    path = Path(path)
    try:
        with open_unpacked(path) as file:
            while block := file.read(BYTES_AT_ONCE):
                yield block
    except DAMAGED as error:
        raise TextError(f"{path} cannot be read ({error}); is it damaged or cut short?") from None


def read_csv(
    path: str | Path, delimiter: str = ",", encoding: str = "utf-8-sig", quoting: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, each with the number of the line that it ends on; .gz is unpacked.

    quoting: cells may stand in quotation marks, which may then hold delimiters and line breaks; else a row is a line.
    Raises DataError naming the file if it is missing, damaged or not in the given encoding.
    """
    path = Path(path)
    try:
        with open_unpacked(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE)
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, row
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; check the path.") from None
    except LookupError:
        raise DataError(f"unknown encoding '{encoding}'; use utf-8, latin-1 or another of Python's names.") from None
    except TextError as error:
        raise DataError(str(error)) from None
    except UnicodeDecodeError as error:
        name = error.encoding.upper()
        raise DataError(f"{path} is not {name} (byte {error.start}); save it again as CSV in UTF-8.") from None
    except (*DAMAGED, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV ({error}).") from None


def surplus_fields(row: Sequence[str], columns: int) -> str:
    """Why a row with more fields than its table has columns cannot be used, in words; empty if it has not.

    Empty fields at the end, which spreadsheets write, are no fault.
    """
    if not any(cell.strip() for cell in row[columns:]):
        return ""
    return f"{len(row)} fields where the header has {columns}; does one hold the divider, without quotation marks?"


@contextmanager
def line_writer(path: str | Path) -> Iterator[Callable[[str], object]]:
    """What writes one line to a UTF-8 file, whole or absent at the end; .gz, .bz2 and .xz are packed."""
    path = Path(path)
    with replacing(path) as temporary, temporary.open("wb") as raw, packed(path, raw) as file:
        pending: list[str] = []

        def write(line: str) -> None:
            pending.append(line)
            if len(pending) == LINES_AT_ONCE:
                flush()

        def flush() -> None:
            file.write("".join(f"{line}\n" for line in pending).encode())
            pending.clear()

        yield write
        flush()
