"""A forecaster that weighs simple methods by a backtest of its own, and says what it took and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from asr.errors import DataError, MissingPackageError
from asr.forecast.methods import StatsforecastModel, drift, last_value, seasonal_naive, theta
from asr.forecast.smoothing import damped, damped_additive, theta_additive

Floats = NDArray[np.float64]
Method = Callable[[Floats, int, int], Floats]

NAME = "auto"
ETS = "ets"


def ets(history: Floats, horizon: int, season: int) -> Floats:
    """statsforecast's AutoETS; damped smoothing where the history is too short for it.

    Raises MissingPackageError if statsforecast is not installed.
    """
    model = fitted_ets(history, horizon, season)
    return damped(history, horizon, season) if model is None else model.fitted_forecast()


def fitted_ets(history: Floats, horizon: int, season: int) -> StatsforecastModel | None:
    """AutoETS fitted to a history, None where that is too short."""
    model = StatsforecastModel(ETS, "AutoETS")
    try:
        model.fit(history[:, None], horizon, season)
        model.fitted_forecast()
    except DataError:
        return None
    return model


CANDIDATES: dict[str, Method] = {
    "last-value": last_value,
    "seasonal-naive": seasonal_naive,
    "drift": drift,
    "theta": theta,
    "theta-additive": theta_additive,
    "damped": damped,
    "damped-additive": damped_additive,
    ETS: ets,
}
ORIGINS = 3  # of the backtest, at most
LEAST_HISTORY = 6  # values before the first origin
# Weights are proportional to error ** -POWER. On 140 series of M3, beside AutoETS, AutoTheta and the seasonal naive, 4
# had a lower mean rank (2.24) than 2 (2.28), than 4 without ETS (2.28) and than the best three alike (2.27).
POWER = 4
LEAST_WEIGHT = 0.02  # methods of a smaller weight are left out
WITHOUT_BACKTEST = ("theta", "damped")


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
    """The weighted mean of simple methods; the weights follow from their absolute errors in a backtest on the history.

    Combinations err less than the choice of one method, whose errors in a short backtest are mostly chance (Makridakis
    et al. 2020). A method that is far better than the others has nearly all of the weight.
    """

    name = NAME

    def __init__(self) -> None:
        self._horizon, self._season = 1, 1
        self.weights: dict[str, float] = {}
        self.why = ""
        self._ets: StatsforecastModel | None = None

    @property
    def chosen(self) -> tuple[str, ...]:
        """The methods, by falling weight."""
        return tuple(self.weights)

    def fit(self, history: Floats, horizon: int, season: int) -> None:
        """Weigh the methods by forecasts of `horizon` steps within `history` (time, columns), the target first."""
        self._horizon, self._season = horizon, season
        target = history[:, 0]
        places = backtest_origins(len(target), horizon, season)
        if not places:
            self.weights = dict.fromkeys(WITHOUT_BACKTEST, 1 / len(WITHOUT_BACKTEST))
            self.why = (
                f"mean of {' and '.join(WITHOUT_BACKTEST)}: the series of {len(target)} values is too short for a "
                f"backtest of {horizon} {'step' if horizon == 1 else 'steps'}"
            )
            return
        errors, without = {}, ""
        for name, method in CANDIDATES.items():
            try:
                gaps = [np.abs(method(target[:p], horizon, season) - target[p : p + horizon]).mean() for p in places]
            except MissingPackageError:
                without = "; without ETS, as statsforecast is not installed"
                continue
            if np.isfinite(gaps).all():
                errors[name] = float(np.mean(gaps))
        self.weights = weights_of(errors)
        shares = ", ".join(f"{name} {weight:.0%}" for name, weight in self.weights.items())
        best, worst = min(errors, key=lambda name: errors[name]), max(errors, key=lambda name: errors[name])
        self.why = (
            f"{shares}; by a backtest from {len(places)} {'origin' if len(places) == 1 else 'origins'}, where the mean "
            f"absolute error was smallest for {best}, {errors[best]:.4g}, and largest for {worst}, {errors[worst]:.4g}"
            f"{without}"
        )
        self._ets = fitted_ets(target, horizon, season) if ETS in self.weights else None

    def forecast(self, history: Floats) -> Floats:
        """The target (horizon,) after `history`, by the weighted methods."""
        total = np.zeros(self._horizon)
        for name, weight in self.weights.items():
            if name == ETS and self._ets is not None:  # fitted once: its choice of a model takes time
                total += weight * self._ets.forecast(history)
            else:
                total += weight * CANDIDATES[name](history[:, 0], self._horizon, self._season)
        return total


def weights_of(errors: Mapping[str, float]) -> dict[str, float]:
    """The weights of methods by their errors, falling, their sum 1."""
    least = max(min(errors.values()), 1e-12 * max(errors.values()), 1e-300)
    raw = {name: (least / max(error, least)) ** POWER for name, error in errors.items()}
    total = sum(raw.values())
    kept = {name: value for name, value in raw.items() if value / total >= LEAST_WEIGHT}
    ranked = sorted(kept, key=lambda name: -kept[name])
    return {name: kept[name] / sum(kept.values()) for name in ranked}
