"""Forecasters that learn little or nothing: what every other method is measured against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asr.extras import require

Floats = NDArray[np.float64]

MOST_HISTORY = 2000
LONGEST_SEASON = 24  # steps, that statsforecast's models learn in seconds
SEASONALITY_LIMIT = 1.645  # of the autocorrelation, in standard errors: M4's and Theta's 90% test


class Forecaster(Protocol):
    """Learns from a training part, then forecasts from any history that ends where the forecast begins."""

    name: str

    def fit(self, history: Floats, horizon: int, season: int) -> None:
        """Learn from `history` (time, columns), the target first, to forecast `horizon` steps."""
        ...

    def forecast(self, history: Floats) -> Floats:
        """The target (horizon,) after `history`."""
        ...


class _Direct:
    """A forecaster that computes its forecast from the target's history alone, anew each time."""

    def __init__(self, name: str, function: Callable[[Floats, int, int], Floats]) -> None:
        self.name, self._function = name, function
        self._horizon, self._season = 1, 1

    def fit(self, history: Floats, horizon: int, season: int) -> None:
        self._horizon, self._season = horizon, season

    def forecast(self, history: Floats) -> Floats:
        return self._function(history[:, 0], self._horizon, self._season)


def last_value(history: Floats, horizon: int, season: int) -> Floats:
    """The last value, repeated."""
    return np.full(horizon, history[-1])


def seasonal_naive(history: Floats, horizon: int, season: int) -> Floats:
    """The last season, repeated; the last value where the history is shorter than a season."""
    if len(history) < season:
        return last_value(history, horizon, season)
    return history[-season:][np.arange(horizon) % season]


def drift(history: Floats, horizon: int, season: int) -> Floats:
    """The straight line from the first value through the last one (Hyndman & Athanasopoulos 2021, section 5.2)."""
    slope = (history[-1] - history[0]) / max(1, len(history) - 1)
    return np.asarray(history[-1] + slope * np.arange(1, horizon + 1))


def is_seasonal(history: Floats, season: int) -> bool:
    """Whether the autocorrelation at one season is beyond the 90% limit of what the earlier lags allow."""
    if season < 2 or len(history) < 3 * season:
        return False
    centred = history - history.mean()
    total = float(centred @ centred)
    if total <= 0:
        return False
    correlations = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, season + 1)]) / total
    limit = SEASONALITY_LIMIT * np.sqrt((1 + 2 * np.square(correlations[:-1]).sum()) / len(history))
    return bool(abs(correlations[-1]) > limit)


def seasonal_indices(history: Floats, season: int) -> Floats:
    """Factors (season,) of the classical multiplicative decomposition, by a centred moving average; their mean is 1.

    The first is of the history's first value. As in the M4 competition's evaluation code.
    """
    weights = (np.ones(season) if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5]) / season
    trend = np.convolve(history, weights, "valid")
    offset = len(weights) // 2
    ratios = np.divide(
        history[offset : offset + len(trend)], trend, out=np.ones_like(trend), where=np.abs(trend) > 1e-12
    )
    places = (np.arange(len(ratios)) + offset) % season
    indices = np.bincount(places, ratios, season) / np.maximum(np.bincount(places, minlength=season), 1)
    return np.asarray(indices * season / indices.sum())


def deseasonalized(history: Floats, horizon: int, season: int) -> tuple[Floats, Floats]:
    """The history without its season, and the season's factors of the steps to come."""
    if not is_seasonal(history, season) or (history <= 0).any():
        return history, np.ones(horizon)
    indices = seasonal_indices(history, season)
    factors = indices[np.arange(len(history)) % season]
    return history / factors, indices[(len(history) + np.arange(horizon)) % season]


def naive2(history: Floats, horizon: int, season: int) -> Floats:
    """The last value of the seasonally adjusted history, with the season put back (M4's Naive2)."""
    adjusted, factors = deseasonalized(history, horizon, season)
    return np.asarray(adjusted[-1] * factors)


def theta(history: Floats, horizon: int, season: int) -> Floats:
    """The Theta method (Assimakopoulos & Nikolopoulos 2000), in the form of Hyndman & Billah 2003.

    Simple exponential smoothing of the seasonally adjusted history, plus half its linear trend.
    """
    adjusted, factors = deseasonalized(history, horizon, season)
    count = len(adjusted)
    if count < 3:
        return np.asarray(last_value(adjusted, horizon, season) * factors)
    level, alpha = _smoothed(adjusted)
    slope = float(np.polyfit(np.arange(count), adjusted, 1)[0]) / 2
    steps = np.arange(horizon) + (1 - (1 - alpha) ** count) / alpha
    return np.asarray((level + slope * steps) * factors)


def _smoothed(history: Floats) -> tuple[float, float]:
    """Last level and rate of simple exponential smoothing, the rate that forecasts one step ahead best."""
    from scipy.optimize import minimize_scalar
    from scipy.signal import lfilter

    def levels(alpha: float) -> Floats:
        start = np.array([(1 - alpha) * history[0]])
        return np.asarray(lfilter([alpha], [1, alpha - 1], history, zi=start)[0])

    def loss(alpha: float) -> float:
        return float(np.square(history[1:] - levels(alpha)[:-1]).sum())

    alpha = float(minimize_scalar(loss, bounds=(0.01, 0.999), method="bounded").x)
    return float(levels(alpha)[-1]), alpha


class Kept:
    """A model of statsforecast: chosen on the training part, applied to each history with what was chosen; both on the
    last `MOST_HISTORY` values, as time grows with them.

    Raises MissingPackageError if statsforecast is not installed.
    """

    def __init__(self, name: str, model: str) -> None:
        self.name, self._model = name, model
        self._fitted: Any = None
        self._horizon = 1

    def fit(self, history: Floats, horizon: int, season: int) -> None:
        models = require("forecast", "statsforecast.models", "the models of statsforecast")
        self._horizon = horizon
        length = season if len(history) >= 3 * season and season <= LONGEST_SEASON else 1
        self._fitted = getattr(models, self._model)(season_length=length).fit(self._last(history))

    def fitted_forecast(self) -> Floats:
        """What follows the history it was fitted to; quicker than `forecast`."""
        assert self._fitted is not None
        return np.asarray(self._fitted.predict(h=self._horizon)["mean"], np.float64)

    def forecast(self, history: Floats) -> Floats:
        assert self._fitted is not None
        return np.asarray(self._fitted.forward(y=self._last(history), h=self._horizon)["mean"], np.float64)

    @staticmethod
    def _last(history: Floats) -> Floats:
        return np.ascontiguousarray(history[-MOST_HISTORY:, 0])


BASELINES: dict[str, Callable[[], Forecaster]] = {
    "last-value": lambda: _Direct("last-value", last_value),
    "seasonal-naive": lambda: _Direct("seasonal-naive", seasonal_naive),
    "drift": lambda: _Direct("drift", drift),
    "naive2": lambda: _Direct("naive2", naive2),
    "theta": lambda: _Direct("theta", theta),
    "ets": lambda: Kept("ets", "AutoETS"),
    "arima": lambda: Kept("arima", "AutoARIMA"),
}
