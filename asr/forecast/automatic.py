"""A forecaster that chooses among simple methods by a backtest of its own, and says what it chose and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from asr.forecast.methods import drift, last_value, seasonal_naive, theta
from asr.forecast.smoothing import damped, damped_additive, theta_additive

Floats = NDArray[np.float64]
Method = Callable[[Floats, int, int], Floats]

NAME = "auto"
CANDIDATES: Mapping[str, Method] = {
    "last-value": last_value,
    "seasonal-naive": seasonal_naive,
    "drift": drift,
    "theta": theta,
    "theta-additive": theta_additive,
    "damped": damped,
    "damped-additive": damped_additive,
}
ORIGINS = 6  # of the backtest, at most
COMBINED = 3  # of the best methods, whose mean is a candidate too
LEAST_HISTORY = 6  # values before the first origin
PREFERENCE = 0.95  # a single method must have this share of the combination's error, or less, to be taken instead of it


def backtest_origins(length: int, horizon: int, season: int) -> list[int]:
    """Where the backtest forecasts from: up to `ORIGINS` places, the last one `horizon` before the end.

    There are at least two seasons, `LEAST_HISTORY` values and a third of the series before the first; an empty list if
    that leaves none.
    """
    least = max(LEAST_HISTORY, 2 * season, length // 3)
    last = length - horizon
    step = max(1, horizon // 3)
    places = [last - step * number for number in range(ORIGINS)]
    return sorted(place for place in places if place >= least)


class AutomaticForecaster:
    """The mean of the three methods with the least absolute error in a backtest on the history, or the best alone.

    Combinations err less than the choice of one method, whose errors in a short backtest are mostly chance (Makridakis
    et al. 2020): one method is taken alone only where it is better than their mean by a twentieth.
    """

    name = NAME

    def __init__(self) -> None:
        self._horizon, self._season = 1, 1
        self.chosen: tuple[str, ...] = ("theta",)
        self.why = ""

    def fit(self, history: Floats, horizon: int, season: int) -> None:
        """Choose the methods by forecasts of `horizon` steps within `history` (time, columns), the target first."""
        self._horizon, self._season = horizon, season
        target = history[:, 0]
        places = backtest_origins(len(target), horizon, season)
        if not places:
            self.chosen = ("theta",)
            self.why = f"theta: the series of {len(target)} values is too short for a backtest of {horizon} steps"
            return
        actual = np.stack([target[place : place + horizon] for place in places])
        forecasts = {
            name: np.stack([method(target[:place], horizon, season) for place in places])
            for name, method in CANDIDATES.items()
        }
        errors = {name: float(np.abs(rows - actual).mean()) for name, rows in forecasts.items()}
        ranked = sorted(errors, key=lambda name: errors[name])
        best, several = ranked[0], tuple(ranked[:COMBINED])
        mean_error = float(np.abs(np.mean([forecasts[name] for name in several], axis=0) - actual).mean())
        where = f"in a backtest from {len(places)} {'origin' if len(places) == 1 else 'origins'}"
        if errors[best] <= PREFERENCE * mean_error:
            self.chosen = (best,)
            self.why = (
                f"{best}: mean absolute error {errors[best]:.4g} {where}, next {ranked[1]} {errors[ranked[1]]:.4g}"
            )
        else:
            self.chosen = several
            self.why = (
                f"mean of {', '.join(several)}: mean absolute error {mean_error:.4g} {where}, best alone {best} "
                f"{errors[best]:.4g}"
            )

    def forecast(self, history: Floats) -> Floats:
        """The target (horizon,) after `history`, by the chosen methods."""
        rows = [CANDIDATES[name](history[:, 0], self._horizon, self._season) for name in self.chosen]
        return np.asarray(np.mean(rows, axis=0))
