"""Arrays larger than the memory: files without a name, read and written in pieces.

A file has no name in its folder, so that nothing is left behind however the process ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from asr.atomic_file import naming

Array = NDArray[Any]

BYTES_OF_ROW = 256  # of one n-gram in a block, with all that is computed of it
LEAST_ROWS = 1024


class DiskArray:
    """An array of rows in a file; `array[start:stop]` reads, `append` and `write` write."""

    def __init__(self, folder: Path | None, dtype: DTypeLike, width: int = 1) -> None:
        """width: numbers in a row; rows of one number are read as (rows,), others as (rows, width)."""
        self.dtype, self.width = np.dtype(dtype), width
        self._place = folder or tempfile.gettempdir()
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed with the array
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, rows: slice) -> Array:
        start, stop, step = rows.indices(self._length)
        if step != 1:
            raise ValueError("rows of a DiskArray are read in one piece, with a step of 1.")
        count = max(0, stop - start) * self.width
        self._file.seek(start * self.width * self.dtype.itemsize)
        values = np.fromfile(self._file, self.dtype, count)
        return values if self.width == 1 else values.reshape(-1, self.width)

    def append(self, rows: Array) -> DiskRows:
        """Write rows after the last one; returns where they are."""
        start = self._length
        self.write(start, rows)
        return DiskRows(self, start, self._length)

    def write(self, start: int, rows: Array) -> None:
        """Write rows from `start` on, over those that are there."""
        if len(rows):
            self._file.seek(start * self.width * self.dtype.itemsize)
            # NumPy's own writing does not notice that the last part found no space.
            rest = np.ascontiguousarray(rows, self.dtype).reshape(-1).view(np.uint8).data
            with naming(self._place):
                while rest:
                    rest = rest[self._file.write(rest) :]
            self._length = max(self._length, start + len(rows))

    def close(self) -> None:
        """Give the disk space back; a closed array cannot be read."""
        self._file.close()
        self._length = 0


@dataclass(frozen=True)
class DiskRows:
    """Rows of an array, read as one: an array has a file open, of which a process may have a thousand."""

    array: DiskArray
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, rows: slice) -> Array:
        start, stop, step = rows.indices(len(self))
        return self.array[self.start + start : self.start + stop : step]


@dataclass(frozen=True)
class Workspace:
    """Where arrays lie and how much memory may be used for pieces of them."""

    memory: int = 1 << 32  # bytes, about
    folder: Path | None = None  # None: the system's folder for temporary files

    @property
    def rows(self) -> int:
        """Rows of a block: of n-grams or tokens that are worked on at once."""
        return min(1 << 21, max(LEAST_ROWS, self.memory // BYTES_OF_ROW))

    def array(self, dtype: DTypeLike, width: int = 1) -> DiskArray:
        """An empty array."""
        return DiskArray(self.folder, dtype, width)

    def windows(self, length: int, itemsize: int) -> Iterator[tuple[int, int]]:
        """Ranges of an array of `length`, each of which fits half of the memory."""
        size = max(LEAST_ROWS, self.memory // 2 // itemsize)
        for start in range(0, length, size):
            yield start, min(length, start + size)

    def blocks(self, length: int) -> Iterator[tuple[int, int]]:
        """Ranges of `rows` rows of an array of `length`."""
        for start in range(0, length, self.rows):
            yield start, min(length, start + self.rows)


def gather(space: Workspace, values: DiskArray, places: DiskArray) -> DiskArray:
    """`values[places]`, whatever the order of the places: one pass through them for each window of the values."""
    result = space.array(values.dtype)
    for low, high in space.windows(len(values), values.dtype.itemsize):
        window = values[low:high]
        for start, stop in space.blocks(len(places)):
            wanted = places[start:stop]
            if low == 0 and high == len(values):
                result.append(window[wanted])
                continue
            rows = result[start:stop] if low else np.zeros(stop - start, values.dtype)
            inside = (wanted >= low) & (wanted < high)
            rows[inside] = window[(wanted[inside] - low).astype(np.int64)]
            result.write(start, rows)
    return result


def count_places(space: Workspace, places: DiskArray, length: int) -> DiskArray:
    """How often each of 0 to `length` - 1 is among the places, as int64."""
    result = space.array(np.int64)
    for low, high in space.windows(length, result.dtype.itemsize):
        window = np.zeros(high - low, np.int64)
        for start, stop in space.blocks(len(places)):
            wanted = places[start:stop]
            np.add.at(window, wanted[(wanted >= low) & (wanted < high)].astype(np.int64) - low, 1)
        result.append(window)
    return result
