"""Times of a series as texts: numbers in their place, the frequency that they have, and how they go on."""

from __future__ import annotations

import calendar
import itertools
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

LARGEST_TIME = 1e15  # of times that are numbers
OPENING_DAY = "opening day"  # of a shop that is closed on some days of the week
WORKING_DAYS = {0, 1, 2, 3, 4}
LEAST_WEEKS = 3  # without a day of the week
MOST_GAPS = 0.1  # of the steps between opening days
_DAY = 86_400.0
_STEPS = {
    "minute": 60,
    "quarter-hour": 900,
    "half-hour": 1800,
    "hour": 3600,
    "day": _DAY,
    "week": 7 * _DAY,
}  # seconds
_YEAR_MONTH = re.compile(r"^(\d{4})-(0?[1-9]|1[0-2])$")
_COMPACT = re.compile(r"^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$")  # a date, not a number
_WEEK = re.compile(r"^\d{4}(-?)W\d\d(-?\d)?$")
_CLOCK = re.compile(r"^\d{4}(-?)\d\d-?\d\d(.)\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)?$")
_TOLERANCE = 0.02  # relative deviation of a step from that of a frequency
_SPECS = ("hours", "minutes", "seconds", "milliseconds", "microseconds")  # of `time.isoformat`
_YEAR_PARTS = {"year": 1, "quarter": 4, "month": 12}


def time_number(text: str) -> float:
    """A time as a number: seconds for dates, months for year-month, the number itself for numbers.

    Raises ValueError or OverflowError for what is no time.
    """
    if abs(number := _plain_number(text)) <= LARGEST_TIME:
        return number
    if match := _YEAR_MONTH.match(text):
        return float(_months(match))
    return _seconds(datetime.fromisoformat(text))


def _seconds(moment: datetime) -> float:
    # a time without a zone is taken as UTC: the machine's own zone would leave out or repeat hours
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _plain_number(text: str) -> float:
    """A time that is a number, NaN for dates."""
    try:
        return math.nan if _COMPACT.match(text) else float(text)
    except ValueError:
        return math.nan


def _months(match: re.Match[str]) -> int:
    """A year-month as a number of months."""
    return 12 * int(match[1]) + int(match[2]) - 1


def frequency_of(example: str, step: float, even: bool, digits: int = 0) -> str:
    """The name of a step. even: all steps are equal, and so many that months of the calendar would not be.

    digits: after the point, of times that are numbers: months of 1949.08, 1949.17, 1949.25 have steps of 0.08 and 0.09.
    """
    if _YEAR_MONTH.match(example):
        return {1: "month", 3: "quarter", 12: "year"}.get(round(step), "")
    start = _plain_number(example)
    if math.isnan(start):
        for name, seconds in _STEPS.items():
            if abs(step / seconds - 1) < _TOLERANCE:
                return name
        days = step / _DAY
        if not even:
            return "month" if 28 <= days <= 31 else "quarter" if 89 <= days <= 92 else _year(days)
        return _year(days)
    if 1000 <= start <= 3000:  # years, perhaps decimal
        rounding = 0.5 * 10.0**-digits if digits > 1 else 0.0
        for name, parts in _YEAR_PARTS.items():
            if abs(step - 1 / parts) < max(_TOLERANCE / parts, rounding):
                return name
    return ""


def digits_of(times: Sequence[str]) -> int:
    """The digits after the point, at most, of times that are numbers."""
    return max((len(text.partition(".")[2]) for text in times if not math.isnan(_plain_number(text))), default=0)


def weekdays_of(times: Sequence[str]) -> set[int]:
    """The days of the week that some dates have, from 0, Monday."""
    return {datetime.fromisoformat(text).weekday() for text in times}


def day_kind(times: Sequence[str], jumps: NDArray[np.bool_]) -> tuple[str, NDArray[np.bool_]]:
    """The frequency of daily times, and which of their steps are gaps; jumps: those of more than a day.

    `weekday` if there are no weekends, `opening day` if other days of the week are absent from `LEAST_WEEKS` on; days
    that are always absent are no gaps.
    """
    days = np.array([datetime.fromisoformat(text).date() for text in times], "datetime64[D]")
    used = weekdays_of(times)
    name = "weekday" if used <= WORKING_DAYS else OPENING_DAY
    if name == OPENING_DAY and (len(used) == 7 or (days[-1] - days[0]).astype(int) < 7 * LEAST_WEEKS):
        return "day", jumps
    mask = [day in (WORKING_DAYS if name == "weekday" else used) for day in range(7)]
    steps = np.busday_count(days[:-1], days[1:], mask)
    regular = name == "weekday" or (steps > 1).mean() < MOST_GAPS
    return (name, steps > 1) if regular and (steps < np.diff(days).astype(int)).any() else ("day", jumps)


def _year(days: float) -> str:
    return "year" if 365 <= days <= 366 else ""


def times_after(times: Sequence[str], frequency: str, horizon: int) -> list[str]:
    """The `horizon` times after those of a frequency, which may be empty, in their form; numbers from 1 without times.

    Raises ValueError or OverflowError for times that the calendar does not have.
    """
    steps = range(1, horizon + 1)
    last = times[-1] if times else ""
    if not math.isnan(_plain_number(last)):
        later = _numbers_after([float(text) for text in times], frequency, digits_of(times), horizon)
        return [f"{value:.0f}" if value.is_integer() else f"{value:.10g}" for value in later]
    if match := _YEAR_MONTH.match(last):
        counts = [_months(found) for text in times if (found := _YEAR_MONTH.match(text))]
        size = max(1, round(float(np.median(np.diff(counts))))) if len(counts) > 1 else 1
        months = [_months(match) + size * step for step in steps]
        return [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in months]
    moments = [datetime.fromisoformat(text) for text in times]
    if not moments:
        return [str(step) for step in steps]
    return [_written(moment, last) for moment in _moments_after(moments, frequency, horizon)]


def _numbers_after(numbers: Sequence[float], frequency: str, digits: int, horizon: int) -> list[float]:
    """The numbers after some: parts of years on the grid that they are roundings of, others by their median step."""
    steps = range(1, horizon + 1)
    if frequency not in ("quarter", "month"):
        usual = float(np.median(np.diff(numbers))) if len(numbers) > 1 else 1.0
        return [numbers[-1] + usual * step for step in steps]
    parts = _YEAR_PARTS[frequency]
    places = np.round((np.array(numbers) - numbers[0]) * parts)
    first = float((numbers - places / parts).mean())
    return [round(first + (float(places[-1]) + step) / parts, digits) for step in steps]


def _moments_after(moments: Sequence[datetime], frequency: str, horizon: int) -> list[datetime]:
    """The moments after some of a frequency, which may be empty: then the median step goes on."""
    last = moments[-1]
    ends = len(moments) > 1 and all(moment.day == _days_of(moment.year, moment.month) for moment in moments)
    months = np.diff([12 * moment.year + moment.month for moment in moments])
    by_day = (
        not frequency and len(months) and months.min() > 0 and (ends or len({moment.day for moment in moments}) == 1)
    )
    if by_day or frequency in ("month", "quarter", "year"):
        size = round(float(np.median(months)))
        return [_months_later(last, size * step, ends) for step in range(1, horizon + 1)]
    if frequency in ("weekday", OPENING_DAY):
        used = WORKING_DAYS if frequency == "weekday" else {moment.weekday() for moment in moments}
        days = (last + timedelta(days=number) for number in itertools.count(1))
        return list(itertools.islice((day for day in days if day.weekday() in used), horizon))
    if frequency:
        gap = timedelta(seconds=_STEPS[frequency])
    else:
        seconds = np.diff([_seconds(moment) for moment in moments])
        gap = timedelta(seconds=float(np.median(seconds))) if len(seconds) else timedelta(days=1)
    return [last + gap * step for step in range(1, horizon + 1)]


def _written(moment: datetime, example: str) -> str:
    """A moment in the form of an example, a date or a date with a time, and in finer units where it needs them."""
    midnight = moment.time() == time.min
    if midnight and _COMPACT.match(example):
        return f"{moment:%Y%m%d}"
    if midnight and (week := _WEEK.match(example)) and (week[2] or moment.weekday() == 0):
        year, number, day = moment.isocalendar()
        return f"{year:04d}{week[1]}W{number:02d}" + (f"{week[1]}{day}" if week[2] else "")
    if found := _CLOCK.match(example):
        minutes, seconds, fraction = found[3], found[4], found[5]
        units = 3 + (len(fraction) > 4) if fraction else 2 if seconds else 1 if minutes else 0
        date, clock = moment.date().isoformat(), moment.time().isoformat(_SPECS[max(units, _units(moment))])
        if not found[1]:  # compact
            date, clock = date.replace("-", ""), clock.replace(":", "")
        return date + found[2] + clock + _zone(moment, found[6])
    return moment.date().isoformat() if midnight else moment.isoformat(" ")


def _units(moment: datetime) -> int:
    """The place in `_SPECS` of the finest unit that a moment needs."""
    micro = moment.microsecond
    return 4 if micro % 1000 else 3 if micro else 2 if moment.second else 1 if moment.minute else 0


def _zone(moment: datetime, example: str | None) -> str:
    """The zone of a moment in the form of an example: none, Z, +01:00, +0100 or +01."""
    if not example or example == "Z":
        return example or ""
    offset = f"{moment:%z}"
    return offset[: len(example)] if ":" not in example else f"{offset[:3]}:{offset[3:]}"


def _months_later(moment: datetime, months: int, month_end: bool) -> datetime:
    """The same day so many months later, or the month's last one: if it has no such day, or where that is asked for."""
    year, month = divmod(12 * moment.year + moment.month - 1 + months, 12)
    last_day = _days_of(year, month + 1)
    return moment.replace(year=year, month=month + 1, day=last_day if month_end else min(moment.day, last_day))


def _days_of(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]
