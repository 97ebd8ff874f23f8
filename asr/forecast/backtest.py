"""Judging forecasters: a fixed split, a rolling origin, intervals from past errors, a test against the best baseline.

No method sees the values that it is judged on: it is fitted to the training part, and a forecast uses only the values
before its origin.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.callbacks import Note
from asr.errors import AsrError, DataError
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

INTERVAL = 0.9  # nominal coverage of the intervals
CALIBRATION_ORIGINS = 40  # past forecasts that the intervals are computed from, at most
LEAST_ORIGINS = 3  # at least
RANK_TOLERANCE = 1e-9  # (9 + 1) * 0.9 in floating point may be above 9
SIGNIFICANT = 0.05
SIMPLEST = ("last-value", "seasonal-naive")


@dataclass(frozen=True)
class Result:
    """The forecasts of one method (origins, horizon), the actual values, and its errors."""

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
    """All point errors by name; MASE is scaled by `history`."""
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
    values: Floats, horizon: int, season: int, methods: Sequence[Forecaster], note: Note | None = None
) -> list[Result]:
    """The results of fitting to all but the last `horizon` steps. values: (time, columns), the target first."""
    check_length(values, horizon)
    return rolling_origin(values, horizon, season, methods, 1, 1, note)


def rolling_origin(
    values: Floats,
    horizon: int,
    season: int,
    methods: Sequence[Forecaster],
    origins: int,
    step: int = 1,
    note: Note | None = None,
    refit_every: int = 0,
) -> list[Result]:
    """The results of forecasting from `origins` points, `step` apart, the last one `horizon` before the end.

    Methods are fitted to the values before the first origin, and again every `refit_every` origins (0: never). The
    result of a method that cannot be fitted has no forecasts, and a note with the reason.
    """
    check_length(values, horizon)
    first = len(values) - horizon - (origins - 1) * step
    if first < 2:
        raise DataError(f"{origins} origins of {horizon} steps leave {max(0, first)} values to learn from; take fewer.")
    places = [first + number * step for number in range(origins)]
    actual = np.stack([values[place : place + horizon, 0] for place in places])
    results = []
    for method in methods:
        if note is not None:
            note(method.name)
        rows = []
        try:
            for number, place in enumerate(places):
                history = values[:place].copy()  # a view would let a method read the values that it is to forecast
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
    losses = [np.square(other.forecasts - other.actual).mean(axis=1) for other in (best, result)]
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


def past_errors(method: Forecaster, values: Floats, horizon: int, season: int) -> Floats:
    """The absolute errors (origins, horizon) of past forecasts, from origins in the second half of `values`.

    They are those of a copy of the method that is fitted to the values before the first of these origins: errors of
    values that a method was fitted to are too small. There are none, (0, horizon), if the series is too short.
    """
    least = max(2, len(values) // 2)
    places = np.unique(np.linspace(least, len(values) - horizon, CALIBRATION_ORIGINS).astype(int))
    places = places[(places >= least) & (places <= len(values) - horizon)]
    if len(places) < LEAST_ORIGINS:
        return np.zeros((0, horizon))
    twin = copy.deepcopy(method)
    try:
        twin.fit(values[: places[0]].copy(), horizon, season)
        rows = [np.abs(twin.forecast(values[:place]) - values[place : place + horizon, 0]) for place in places]
    except DataError:
        return np.zeros((0, horizon))
    return np.stack(rows)


def interval_widths(errors: Floats, share: float = INTERVAL) -> Floats:
    """Half widths (horizon,) of intervals that hold `share` of the values, from past errors (origins, horizon).

    Split conformal prediction, for each step by itself (Vovk et al. 2005; Stankeviciute et al. 2021): the k-th smallest
    of n errors, k = ceil((n + 1) share). Where n is too small for that, k > n, the root mean square of the errors times
    Student's quantile for n degrees of freedom, which is exact for normal errors of mean 0. NaN without errors.
    """
    count, horizon = errors.shape
    if not count:
        return np.full(horizon, math.nan)
    rank = math.ceil((count + 1) * share - RANK_TOLERANCE)
    if rank <= count:
        return np.asarray(np.sort(errors, axis=0)[rank - 1])
    from scipy.stats import t as student

    return np.asarray(student.ppf((1 + share) / 2, count) * np.sqrt(np.square(errors).mean(axis=0)))


def interval_coverage(result: Result, widths: Floats) -> float:
    """The share of actual values within the intervals; NaN if these have no width."""
    if np.isnan(widths).any():
        return math.nan
    return coverage(result.actual, result.forecasts - widths, result.forecasts + widths)
