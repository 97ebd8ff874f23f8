"""Forecasters with few parameters or none: the baselines of all other methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from asr.errors import DataError
from asr.extras import require

if TYPE_CHECKING:
    from torch import Tensor

    from asr.forecast.recurrent import RecurrentConfig

Floats = NDArray[np.float64]

MOST_HISTORY = 2000  # last values that statsforecast's models are fitted to, as their time grows with the length
LONGEST_SEASON = 24  # steps; statsforecast's models take seconds up to it
SEASONALITY_LIMIT = 1.645  # of the autocorrelation, in standard errors: the 90% test of M4 and Theta


class Forecaster(Protocol):
    """A method that is fitted to a training part, then forecasts from any history that ends before the forecast."""

    name: str

    def fit(self, history: Floats, horizon: int, season: int) -> None:
        """Fit to `history` (time, columns), the target first, for forecasts of `horizon` steps."""
        ...

    def forecast(self, history: Floats) -> Floats:
        """The target (horizon,) after `history`."""
        ...


@runtime_checkable
class TrainedForecaster(Forecaster, Protocol):
    """A forecaster with weights, which a folder stores."""

    @property
    def config(self) -> RecurrentConfig:
        """Its settings."""
        ...

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Its weights, and the other values of its training."""
        ...


class _Direct:
    """A forecaster whose forecast is a function of the target's history."""

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
    """Whether the autocorrelation at the season exceeds its 90% limit, given the earlier lags."""
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

    The first belongs to the history's first value. Equals the M4 competition's evaluation code.
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
    """The history divided by its seasonal factors, and the factors (horizon,) of the steps to come."""
    if not is_seasonal(history, season) or (history <= 0).any():
        return history, np.ones(horizon)
    indices = seasonal_indices(history, season)
    factors = indices[np.arange(len(history)) % season]
    return history / factors, indices[(len(history) + np.arange(horizon)) % season]


def naive2(history: Floats, horizon: int, season: int) -> Floats:
    """The last value of the seasonally adjusted history, times the seasonal factors (M4's Naive2)."""
    adjusted, factors = deseasonalized(history, horizon, season)
    return np.asarray(adjusted[-1] * factors)


def theta(history: Floats, horizon: int, season: int) -> Floats:
    """The Theta method (Assimakopoulos & Nikolopoulos 2000), in the form of Hyndman & Billah 2003.

    Simple exponential smoothing of the seasonally adjusted history, plus half its linear trend.
    """
    adjusted, factors = deseasonalized(history, horizon, season)
    return np.asarray(theta_line(adjusted, horizon) * factors)


def theta_line(history: Floats, horizon: int) -> Floats:
    """The Theta method on a history without a season."""
    count = len(history)
    if count < 3:
        return last_value(history, horizon, 1)
    level, alpha = _smoothed(history)
    slope = float(np.polyfit(np.arange(count), history, 1)[0]) / 2
    steps = np.arange(horizon) + (1 - (1 - alpha) ** count) / alpha
    return np.asarray(level + slope * steps)


def _smoothed(history: Floats) -> tuple[float, float]:
    """The last level and the rate of simple exponential smoothing, with the best rate for one step ahead."""
    from scipy.optimize import minimize_scalar
    from scipy.signal import lfilter

    def levels(alpha: float) -> Floats:
        start = np.array([(1 - alpha) * history[0]])
        return np.asarray(lfilter([alpha], [1, alpha - 1], history, zi=start)[0])

    def loss(alpha: float) -> float:
        return float(np.square(history[1:] - levels(alpha)[:-1]).sum())

    alpha = float(minimize_scalar(loss, bounds=(0.01, 0.999), method="bounded").x)
    return float(levels(alpha)[-1]), alpha


class StatsforecastModel:
    """A model of statsforecast, selected on the training part and applied with its parameters to each history.

    Raises MissingPackageError if statsforecast is not installed, DataError for a history that it refuses.
    """

    def __init__(self, name: str, model: str) -> None:
        self.name, self._model = name, model
        self._fitted: Any = None
        self._horizon = 1
        self._start = 0  # of what it was fitted to

    def fit(self, history: Floats, horizon: int, season: int) -> None:
        models = require("forecast", "statsforecast.models", "the models of statsforecast")
        self._horizon, self._start = horizon, max(0, len(history) - MOST_HISTORY)
        length = season if len(history) >= 3 * season and season <= LONGEST_SEASON else 1
        with self._refusal():
            self._fitted = getattr(models, self._model)(season_length=length).fit(self._known(history))

    def fitted_forecast(self) -> Floats:
        """The forecast after the history that it was fitted to; faster than `forecast`."""
        assert self._fitted is not None
        with self._refusal():
            return np.asarray(self._fitted.predict(h=self._horizon)["mean"], np.float64)

    def forecast(self, history: Floats) -> Floats:
        assert self._fitted is not None
        with self._refusal():
            return np.asarray(self._fitted.forward(y=self._known(history), h=self._horizon)["mean"], np.float64)

    @contextmanager
    def _refusal(self) -> Iterator[None]:
        """Raises DataError for what statsforecast raises at a history that is too short for it."""
        try:
            yield
        except Exception as error:  # of many classes, `Exception` itself among them
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            raise DataError(f"{self.name} cannot be fitted to this history ({reason}); it may be too short.") from error

    def _known(self, history: Floats) -> Floats:
        """The target from where the model was fitted: ETS's level, trend and season to begin with are of that place."""
        return np.ascontiguousarray(history[self._start :, 0])


BASELINES: dict[str, Callable[[], Forecaster]] = {
    "last-value": lambda: _Direct("last-value", last_value),
    "seasonal-naive": lambda: _Direct("seasonal-naive", seasonal_naive),
    "drift": lambda: _Direct("drift", drift),
    "naive2": lambda: _Direct("naive2", naive2),
    "theta": lambda: _Direct("theta", theta),
    "ets": lambda: StatsforecastModel("ets", "AutoETS"),
    "arima": lambda: StatsforecastModel("arima", "AutoARIMA"),
}
