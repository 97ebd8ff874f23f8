"""Judging forecasters: a fixed split, a rolling origin, what intervals held, a test against the best baseline.

No method sees the values that it is judged on: it is fitted to the training part, and a forecast uses only the values
before its origin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.callbacks import Note
from asr.errors import AsrError, DataError
from asr.forecast.known import Filled, actual_at, history_at
from asr.forecast.methods import Forecaster
from asr.score.forecast_errors import (
    DieboldMariano,
    coverage,
    diebold_mariano,
    mae,
    mase,
    mse,
    rmse,
    smape,
)

Floats = NDArray[np.float64]

SIGNIFICANT = 0.05
SIMPLEST = ("last-value", "seasonal-naive")


@dataclass(frozen=True)
class Result:
    """The forecasts of one method (origins, horizon), the actual values, and its errors.

    Actual values that were missing are NaN, and no part of the errors.
    """

    name: str
    forecasts: Floats
    actual: Floats
    errors: dict[str, float]
    note: str = ""  # why there are no forecasts


@dataclass(frozen=True)
class Verdict:
    """Whether a method beats the best of the baselines."""

    name: str
    baseline: str
    test: DieboldMariano | None
    text: str


def errors_of(forecasts: Floats, actual: Floats, history: Floats, season: int) -> dict[str, float]:
    """All point errors by name, of the actual values that are not NaN; MASE is scaled by `history`."""
    known = ~np.isnan(actual)
    forecasts, actual = forecasts[known], actual[known]
    return {
        "mae": mae(actual, forecasts),
        "mse": mse(actual, forecasts),
        "rmse": rmse(actual, forecasts),
        "smape": smape(actual, forecasts),
        "mase": mase(actual, forecasts, history, season),
    }


def check_length(values: Floats, horizon: int) -> None:
    """Raise DataError for a series too short to forecast and judge."""
    if horizon < 1:
        raise DataError(f"the horizon must be at least 1 step, not {horizon}.")
    if len(values) < 2:
        raise DataError("the series has a single value; forecasting needs at least a few.")
    if len(values) < horizon + 2:
        raise DataError(
            f"the series has {len(values)} values, too few for a horizon of {horizon} and something to learn from."
        )


def fixed_split(
    values: Floats, horizon: int, season: int, methods: Sequence[Forecaster], note: Note | None = None,
    filled: Filled | None = None,
) -> list[Result]:  # fmt: skip
    """The results of fitting to all but the last `horizon` steps. values: (time, columns), the target first.

    filled: as for `rolling_origin`.
    """
    check_length(values, horizon)
    return rolling_origin(values, horizon, season, methods, 1, 1, note, filled=filled)


def origin_places(length: int, horizon: int, origins: int, step: int = 1) -> list[int]:
    """The numbers of values before so many origins, `step` apart, the last one `horizon` before the end."""
    last = length - horizon
    return [last - number * step for number in reversed(range(origins))]


def rolling_origin(
    values: Floats,
    horizon: int,
    season: int,
    methods: Sequence[Forecaster],
    origins: int,
    step: int = 1,
    note: Note | None = None,
    refit_every: int = 0,
    filled: Filled | None = None,
) -> list[Result]:
    """The results of forecasting from `origins` points, `step` apart, the last one `horizon` before the end.

    Methods are fitted to the values before the first origin, and again every `refit_every` origins (0: never). The
    result of a method that cannot be fitted has no forecasts, and a note with the reason. filled: which values (time,
    columns) were missing: at the end of a history they repeat the last one, and no forecast is judged by them. Raises
    DataError if all that is to be forecast was missing.
    """
    check_length(values, horizon)
    places = origin_places(len(values), horizon, origins, step)
    first = places[0]
    if first < 2:
        raise DataError(f"{origins} origins of {horizon} steps leave {max(0, first)} values to learn from; take fewer.")
    actual = np.stack([actual_at(values, place, horizon, filled) for place in places])
    if np.isnan(actual).all():
        raise DataError("all values that are to be forecast are missing; there is nothing to judge by.")
    results = []
    for method in methods:
        if note is not None:
            note(method.name)
        rows = []
        try:
            for number, place in enumerate(places):
                history = history_at(values, place, filled)  # a view would let a method read what it is to forecast
                if number == 0 or (refit_every and number % refit_every == 0):
                    method.fit(history, horizon, season)
                rows.append(method.forecast(history))
        except AsrError as error:
            results.append(Result(method.name, np.zeros((0, horizon)), actual, {}, str(error)))
            continue
        forecasts = np.stack(rows)
        results.append(Result(method.name, forecasts, actual, errors_of(forecasts, actual, values[:first, 0], season)))
    return results


def verdict(result: Result, baselines: Sequence[Result], horizon: int) -> Verdict:
    """A method compared with the baseline of the least squared error, by the test of Diebold & Mariano.

    horizon: of the forecasts, in steps between their origins.
    """
    best = min(baselines, key=lambda other: other.errors["mse"])
    gain = 1 - result.errors["mse"] / best.errors["mse"] if best.errors["mse"] > 0 else 0.0
    how = f"squared error {abs(gain):.1%} {'below' if gain > 0 else 'above'} that of {best.name}"
    if best.errors["mse"] <= 0:  # of which nothing is a share
        how = f"squared error {result.errors['mse']:.4g}, where {best.name} makes none"
    judged = ~np.isnan(result.actual).all(axis=1)
    losses = [np.nanmean(np.square(other.forecasts - other.actual)[judged], axis=1) for other in (best, result)]
    try:
        test = diebold_mariano(losses[0], losses[1], horizon)
    except ValueError:
        word = "is better than" if gain > 0 else "does not beat"
        return Verdict(result.name, best.name, None, f"{result.name} {word} {best.name} here: {how}; too few to test")
    chance = f"p = {test.p_value:.3f}"
    if gain > 0 and test.p_value < SIGNIFICANT:
        text = f"{result.name} beats {best.name} by more than chance ({chance}): {how}"
    elif gain > 0:
        text = f"{result.name} does not beat {best.name} by more than chance ({chance}): {how}"
    else:
        text = f"{result.name} does not beat {best.name} ({chance}): {how}"
    return Verdict(result.name, best.name, test, text)


def recommendation(results: Sequence[Result], horizon: int) -> tuple[str, str]:
    """The method to take, and the evidence for it in words.

    That with the least squared error; but where the test of Diebold & Mariano can be made and finds no more than
    chance, the best of the simplest methods, the last value and the last season.
    """
    best = min(results, key=lambda result: result.errors["mse"])
    simple = [result for result in results if result.name in SIMPLEST]
    if best in simple or not simple:
        return best.name, f"no method has a smaller squared error over {_forecasts(best, horizon)}"
    judged = verdict(best, simple, horizon)
    if judged.test is not None and judged.test.p_value >= SIGNIFICANT:
        return judged.baseline, f"{judged.text}, over {_forecasts(best, horizon)}"
    if judged.test is None:
        return best.name, f"{judged.text}; `asr forecast backtest` tests from many origins"
    return best.name, f"{judged.text}, over {_forecasts(best, horizon)}"


def _forecasts(result: Result, horizon: int) -> str:
    count = len(result.forecasts)
    return f"{count} {'forecast' if count == 1 else 'forecasts'} of {horizon} {'step' if horizon == 1 else 'steps'}"


def interval_coverage(result: Result, widths: Floats) -> float:
    """The share of actual values within the intervals of half widths (origins, horizon); NaN if these have no width."""
    if np.isnan(widths).any():
        return math.nan
    known = ~np.isnan(result.actual)
    actual, forecasts, widths = result.actual[known], result.forecasts[known], widths[known]
    return coverage(actual, forecasts - widths, forecasts + widths)
