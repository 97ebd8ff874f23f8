"""Time series from CSV files: columns by name, times in common formats, with notes on gaps and duplicates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.errors import ConfigError, DataError
from asr.forecast.known import Filled
from asr.forecast.times import OPENING_DAY, day_kind, digits_of, frequency_of, time_number, times_after, weekdays_of
from asr.text.lines import read_csv, surplus_fields

Floats = NDArray[np.float64]

LARGEST_VALUE = 1e100  # its square, and the square of its inverse, are numbers
MISSING_CHOICES = ("error", "interpolate", "last")
MISSING_SIGNS = {"", "na", "nan", "null", "none", "?", "-"}
SEASONS = {
    "minute": 60, "quarter-hour": 96, "half-hour": 48, "hour": 24, "day": 7, "weekday": 5, "week": 52, "month": 12,
    "quarter": 4, "year": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Series:
    """Values (time, columns), the target first; `times` as in the file; `frequency` in words, or empty."""

    values: Floats
    columns: tuple[str, ...]
    times: tuple[str, ...] = ()
    frequency: str = ""
    notes: tuple[str, ...] = ()  # on gaps, duplicates and filled values
    filled: Filled | None = None  # which values were missing, (time, columns)

    @property
    def target(self) -> Floats:
        """The target column (time,)."""
        return self.values[:, 0]

    @property
    def season(self) -> int:
        """The steps of the season that the frequency suggests."""
        if self.frequency == OPENING_DAY:
            return len(weekdays_of(self.times))
        return SEASONS.get(self.frequency, 1)

    def __len__(self) -> int:
        return len(self.values)


@dataclass
class _Table:
    header: list[str]
    rows: list[list[str]]
    source: str
    lines: list[int] = field(default_factory=list)


def read_series(
    path: str | Path,
    target: str | None = None,
    time_col: str | None = None,
    inputs: Sequence[str] = (),
    missing: str = "error",
) -> Series:
    """The series of a CSV file (also .gz) with a header.

    target: column to forecast, None for the last one. time_col: column of times, None for none. inputs: further
    columns. missing: treatment of missing values: error, interpolate (in a straight line), or last (repeat the value
    before).
    Raises DataError naming the row for text in a number column, infinite values, or times that are out of order, and
    for values whose squares are no numbers.
    """
    if missing not in MISSING_CHOICES:
        raise ConfigError(f"`missing` must be one of {', '.join(MISSING_CHOICES)}, not '{missing}'.")
    table = _read(Path(path))
    target = target or table.header[-1]
    names = [target, *(name for name in inputs if name != target)]
    places = [_place(table, name) for name in names]
    values = np.array([[_number(table, row, place) for place in places] for row in range(len(table.rows))])
    _check_sizes(values, names, table.source)
    notes: list[str] = []
    times: tuple[str, ...] = ()
    frequency = ""
    if time_col is not None:
        column = _place(table, time_col)
        times = tuple(row[column].strip() for row in table.rows)
        keep, frequency = _check_times(table, times, time_col, notes)
        values, times = values[keep], tuple(np.array(times)[keep].tolist())
    filled = np.isnan(values)
    values = _fill(values, names, missing, table.source, notes)
    return Series(values, tuple(names), times, frequency, tuple(notes), filled)


def column_names(path: str | Path, time_col: str | None = None) -> list[str]:
    """The columns of a CSV file, without that of the times."""
    return [name for name in _read(Path(path)).header if name != time_col]


def _read(path: Path) -> _Table:
    table = list(read_csv(path))
    header = [name.strip() for name in table[0][1]] if table else []
    rows, lines = [row for _, row in table[1:]], [line for line, _ in table[1:]]
    if not header or not rows:
        raise DataError(f"{path} has no rows below a header; a series needs at least two values.")
    for row, line in zip(rows, lines, strict=True):
        if len(row) < len(header):
            raise DataError(f"{path} line {line} has {len(row)} fields where the header has {len(header)}.")
        if surplus := surplus_fields(row, len(header)):  # such as 1,234 for a thousand: 1 would be read
            raise DataError(f"{path} line {line} has {surplus}")
    return _Table(header, rows, str(path), lines)


def _place(table: _Table, name: str) -> int:
    if name not in table.header:
        raise DataError(f"{table.source} has no column '{name}'; it has {', '.join(table.header)}.")
    if table.header.count(name) > 1:
        raise DataError(f"{table.source} has {table.header.count(name)} columns named '{name}'; rename all but one.")
    return table.header.index(name)


def _number(table: _Table, row: int, place: int) -> float:
    text = table.rows[row][place].strip()
    if text.lower() in MISSING_SIGNS:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        where = f"{table.source} line {table.lines[row]}, column '{table.header[place]}'"
        raise DataError(f"{where}: '{text}' is not a finite number; correct it, or leave it empty as missing.")
    return value


def _check_sizes(values: Floats, names: Sequence[str], source: str) -> None:
    for name, column in zip(names, values.T, strict=True):
        largest = np.abs(column[~np.isnan(column)]).max(initial=0.0)
        if largest > LARGEST_VALUE or 0 < largest < 1 / LARGEST_VALUE:
            raise DataError(
                f"{source}, column '{name}': values of up to {largest:.1e} are too large or too small to "
                "be squared; give them in another unit."
            )


def _fill(values: Floats, names: Sequence[str], missing: str, source: str, notes: list[str]) -> Floats:
    values = values.copy()
    for column, name in enumerate(names):
        lost = np.isnan(values[:, column])
        if not lost.any():
            continue
        first = int(np.flatnonzero(lost)[0])
        if missing == "error":
            raise DataError(
                f"{source}, column '{name}': {int(lost.sum())} values are missing, the first in data row {first + 1}; "
                "set `missing` to interpolate or last."
            )
        if lost.all():
            raise DataError(f"{source}, column '{name}' has no values.")
        here = np.flatnonzero(~lost)
        if missing == "interpolate":
            values[lost, column] = np.interp(np.flatnonzero(lost), here, values[here, column])
        else:
            before = np.maximum.accumulate(np.where(lost, here[0], np.arange(len(values))))
            values[:, column] = values[before, column]
        notes.append(f"{int(lost.sum())} missing values of '{name}' filled ({missing})")
    return values


def _check_times(table: _Table, times: Sequence[str], column: str, notes: list[str]) -> tuple[NDArray[np.int64], str]:
    """The rows to keep (the last one of each time) and the frequency in words; gaps are added to the notes."""
    stamps = np.array([_stamp(table, row, text, column) for row, text in enumerate(times)])
    steps = np.diff(stamps)
    if (steps < 0).any():
        row = int(np.flatnonzero(steps < 0)[0]) + 1
        raise DataError(
            f"{table.source} line {table.lines[row]}: the time '{times[row]}' comes after '{times[row - 1]}'; sort the "
            "rows by time."
        )
    keep = np.flatnonzero(np.append(steps > 0, True))
    if len(keep) < len(times):
        twice = times[int(np.flatnonzero(steps == 0)[0])]
        count = len(times) - len(keep)
        notes.append(f"{count} rows repeat a time, first '{twice}'; the last row of each time is used")
    steps = np.diff(stamps[keep])
    if not len(steps):
        return keep, ""
    usual = float(np.median(steps))
    frequency = frequency_of(times[0], usual, len(steps) > 2 and (steps == usual).all(), digits_of(times))
    jumps = steps > 1.5 * usual
    if frequency == "day" and jumps.any():
        frequency, jumps = day_kind([times[int(row)] for row in keep], jumps)
    if gaps := int(jumps.sum()):
        first = times[int(keep[np.flatnonzero(jumps)[0]])]
        notes.append(
            f"{gaps} gaps in time, the first after '{first}'; each row counts as one step; to have the absent times "
            "filled, add rows without values"
        )
    return keep, frequency


def _stamp(table: _Table, row: int, text: str, column: str) -> float:
    try:
        return time_number(text)
    except (ValueError, OverflowError):
        raise DataError(
            f"{table.source} line {table.lines[row]}, column '{column}': '{text}' is not a time; use ISO dates, "
            "year-month, or numbers."
        ) from None


def future_times(series: Series, horizon: int) -> list[str]:
    """Labels of the `horizon` steps after a series: times if it has some, else numbers from 1."""
    try:
        return times_after(series.times, series.frequency, horizon)
    except (ValueError, OverflowError):  # beyond the year 9999
        return [str(number) for number in range(1, horizon + 1)]
