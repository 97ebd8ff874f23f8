"""Many short series at once, as in the M competitions: reading them, forecasting all, and the competitions' errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.callbacks import Note
from asr.errors import ConfigError, DataError
from asr.forecast.global_models import GLOBAL, forecast_all
from asr.forecast.methods import BASELINES, LONGEST_SEASON, Forecaster, StatsforecastModel, deseasonalized
from asr.score.forecast_errors import mase, owa, smape
from asr.text.lines import read_csv

Floats = NDArray[np.float64]

COMBINATIONS = ("average", "median")  # of the methods named before them, without the naive ones
NAIVE = ("last-value", "seasonal-naive", "naive2")
STATSFORECAST = {"ces": "AutoCES", "dotm": "DynamicOptimizedTheta"}  # beside those of `BASELINES`
METHODS = (*BASELINES, *STATSFORECAST, *GLOBAL, *COMBINATIONS)


@dataclass(frozen=True)
class Panel:
    """Histories and what follows them, in the order of `ids`."""

    ids: list[str]
    histories: list[Floats]
    actual: list[Floats]  # (horizon,) each; empty if unknown
    horizon: int
    season: int  # of MASE and of Naive2
    cycle: int = 0  # season of the other methods; 0: the same

    @property
    def model_season(self) -> int:
        """The season of all methods but the naive ones."""
        return self.cycle or self.season

    def held_out(self) -> Panel:
        """A panel for choosing methods: the last `horizon` values of the histories in place of what follows them.

        Series too short for that are left out. Raises DataError if all are.
        """
        long = [place for place, history in enumerate(self.histories) if len(history) > self.horizon + 2]
        if not long:
            raise DataError(f"all series are too short to hold {self.horizon} values out and learn from the others.")
        return Panel(
            [self.ids[place] for place in long],
            [self.histories[place][: -self.horizon] for place in long],
            [self.histories[place][-self.horizon :] for place in long],
            self.horizon,
            self.season,
            self.cycle,
        )


@dataclass(frozen=True)
class PanelResult:
    """The forecasts (series, horizon) of one method, and its errors if the actual values are known.

    The errors are sMAPE and MASE, averaged over series, and OWA.
    """

    name: str
    forecasts: Floats
    smape: float | None = None
    mase: float | None = None
    owa: float | None = None


def read_m4(train: Path, test: Path | None, season: int, horizon: int = 0, cycle: int = 0) -> Panel:
    """The series of files like the M4 competition's: a header, then in each row an id and values, empty at the end.

    horizon: 0: the longest row of `test`. Raises DataError naming the row of a cell that is not a number or the series
    of which `test` has too few values, and for ids that only one of the files has.
    """
    histories = _rows(train)
    follow = _rows(test) if test is not None else {}
    if test is not None and set(follow) != set(histories):
        raise DataError(f"{test} does not hold the series of {train}: their ids differ.")
    length = horizon or max((len(values) for values in follow.values()), default=0)
    if length < 1:
        raise ConfigError("without a test file, set `horizon` to the number of steps to forecast.")
    empty = np.empty(0)
    after = [follow.get(name, empty)[:length] for name in histories]
    short = [name for name, values in zip(histories, after, strict=True) if follow and len(values) < length]
    if short:
        raise DataError(
            f"{test}: series {short[0]} has {len(follow[short[0]])} values, fewer than the {length} forecast."
        )
    return Panel(list(histories), list(histories.values()), after, length, season, cycle)


def read_m3(path: Path, period: str) -> Panel:
    """The series of one period from the M3 competition's table: sn, period, …, frequency, h, split, values.

    Raises DataError for another file, or a period that the table does not have.
    """
    rows = _table(path)
    names = rows[0]
    try:
        columns = [names.index(name) for name in ("sn", "period", "frequency", "h", "split")]
    except ValueError:
        raise DataError(f"{path} is not the table of M3: it lacks one of sn, period, frequency, h, split.") from None
    histories: dict[str, Floats] = {}
    follow: dict[str, Floats] = {}
    horizon = season = 0
    for number, row in enumerate(rows[1:], 2):
        name, kind, frequency, steps, split = (row[column] for column in columns)
        if kind == period:
            values = _numbers(row[-1].split(";"), f"{path} line {number}")
            (histories if split == "train" else follow)[name] = values
            horizon, season = int(steps), int(frequency)
    if not histories:
        known = sorted({row[columns[1]] for row in rows[1:]})
        raise DataError(f"{path} has no series of period '{period}'; it has {', '.join(known)}.")
    return Panel(list(histories), list(histories.values()), [follow[name] for name in histories], horizon, season)


def _rows(path: Path) -> dict[str, Floats]:
    series: dict[str, Floats] = {}
    for number, row in enumerate(_table(path)[1:], 2):
        cells = row[1:]
        while cells and not cells[-1].strip():
            cells.pop()
        if row[0] in series:
            raise DataError(f"{path} line {number}: the series {row[0]} is repeated; give each an id of its own.")
        series[row[0]] = _numbers(cells, f"{path} line {number}")
    if not series:
        raise DataError(f"{path} has no series below its header.")
    return series


def _table(path: Path) -> list[list[str]]:
    rows = [row for _, row in read_csv(path)]
    if not rows:
        raise DataError(f"{path} is empty.")
    return rows


def _numbers(cells: Sequence[str], where: str) -> Floats:
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError as error:
        raise DataError(f"{where}: {error}; series need numbers without gaps.") from None
    if not len(values) or not np.isfinite(values).all():
        raise DataError(f"{where} must hold finite numbers only.")
    return values


def evaluate(panel: Panel, methods: Sequence[str], seed: int = 1, note: Note | None = None) -> list[PanelResult]:
    """The forecasts and errors of each method; Naive2, to which OWA is relative, comes first.

    Raises ConfigError for an unknown method, DataError for a series of one value.
    """
    for name, history in zip(panel.ids, panel.histories, strict=True):
        if len(history) < 2:
            raise DataError(f"series {name} has a single value; forecasting needs at least two.")
    by_method: dict[str, Floats] = {}
    for name in dict.fromkeys(["naive2", *methods]):
        if note is not None:
            note(name)
        if name in COMBINATIONS:
            parts = [forecasts for other, forecasts in by_method.items() if other not in (*NAIVE, *COMBINATIONS)]
            if not parts:
                raise ConfigError(f"'{name}' combines the methods named before it; there are none.")
            by_method[name] = np.mean(parts, axis=0) if name == "average" else np.median(parts, axis=0)
        elif name in GLOBAL:
            by_method[name] = forecast_all(name, panel.histories, panel.horizon, panel.model_season, seed, note)
        else:
            by_method[name] = _one_by_one(name, panel, note)
    return _judged(panel, by_method)


def _judged(panel: Panel, by_method: dict[str, Floats]) -> list[PanelResult]:
    if not all(len(after) for after in panel.actual):
        return [PanelResult(name, forecasts) for name, forecasts in by_method.items()]
    pairs: dict[str, tuple[float, float]] = {}
    for name, forecasts in by_method.items():
        rows = list(zip(panel.actual, forecasts, panel.histories, strict=True))
        errors = [smape(after, row) for after, row, _ in rows]
        scaled = [mase(after, row, history, panel.season) for after, row, history in rows]
        usable = [error for error in scaled if not math.isnan(error)]  # not those of constant series
        pairs[name] = float(np.mean(errors)), float(np.mean(usable)) if usable else math.nan
    return [PanelResult(name, by_method[name], *pair, owa(*pair, *pairs["naive2"])) for name, pair in pairs.items()]


def _one_by_one(name: str, panel: Panel, note: Note | None) -> Floats:
    """The forecasts of a method for each series alone; Naive2 replaces it where it cannot be fitted."""
    if name not in BASELINES and name not in STATSFORECAST:
        raise ConfigError(f"unknown method '{name}'; known: {', '.join(METHODS)}.")
    season = panel.season if name in NAIVE else panel.model_season
    rows, replaced = [], 0
    for number, history in enumerate(panel.histories, 1):
        method = StatsforecastModel(name, STATSFORECAST[name]) if name in STATSFORECAST else BASELINES[name]()
        columns = history[:, None]
        try:
            row = _forecast(method, columns, panel.horizon, season)
        except (ArithmeticError, ValueError, IndexError, RuntimeError, DataError):
            row = np.full(panel.horizon, np.nan)
        if not np.isfinite(row).all():
            naive = BASELINES["naive2"]()
            naive.fit(columns, panel.horizon, panel.season)
            row = naive.forecast(columns)
            replaced += 1
        rows.append(row)
        if note is not None and number % 100 == 0:
            note(f"{name}: {number} of {len(panel.histories)}")
    if note is not None and replaced:
        note(f"{name} cannot be fitted to {replaced} of {len(rows)} series; naive2 forecasts them")
    return np.stack(rows)


def _forecast(method: Forecaster, columns: Floats, horizon: int, season: int) -> Floats:
    if not isinstance(method, StatsforecastModel):
        method.fit(columns, horizon, season)
        return method.forecast(columns)
    if season <= LONGEST_SEASON:
        method.fit(columns, horizon, season)
        return method.fitted_forecast()
    adjusted, factors = deseasonalized(columns[:, 0], horizon, season)  # those models cannot fit longer seasons
    method.fit(adjusted[:, None], horizon, 1)
    return method.fitted_forecast() * factors
