"""Exponential smoothing with a damped trend, and additive seasons for it and for Theta."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.forecast.methods import deseasonalized, is_seasonal, theta_line

Floats = NDArray[np.float64]

LEAST_RATE, MOST_RATE = 0.01, 0.99
DAMPING = (0.8, 0.98)  # the range that Hyndman & Athanasopoulos (2021, section 8.2) advise
FIRST_VALUES = 10  # that the level and trend to begin with are fitted to
MOST_HISTORY = 500  # last values that the rates are fitted to


def additive_indices(history: Floats, season: int) -> Floats:
    """Summands (season,) of the classical additive decomposition, by a centred moving average; their mean is 0.

    The first belongs to the history's first value.
    """
    weights = (np.ones(season) if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5]) / season
    trend = np.convolve(history, weights, "valid")
    offset = len(weights) // 2
    gaps = history[offset : offset + len(trend)] - trend
    places = (np.arange(len(gaps)) + offset) % season
    indices = np.bincount(places, gaps, season) / np.maximum(np.bincount(places, minlength=season), 1)
    return np.asarray(indices - indices.mean())


def without_season(history: Floats, horizon: int, season: int) -> tuple[Floats, Floats]:
    """The history less its additive season, and the season (horizon,) of the steps to come; zeros if there is none."""
    if not is_seasonal(history, season):
        return history, np.zeros(horizon)
    indices = additive_indices(history, season)
    count = np.arange(len(history))
    return history - indices[count % season], indices[(len(history) + np.arange(horizon)) % season]


def theta_additive(history: Floats, horizon: int, season: int) -> Floats:
    """The Theta method on the history less an additive season."""
    adjusted, summands = without_season(history, horizon, season)
    return np.asarray(theta_line(adjusted, horizon) + summands)


def damped(history: Floats, horizon: int, season: int) -> Floats:
    """Damped-trend smoothing of the history divided by its multiplicative season."""
    adjusted, factors = deseasonalized(history, horizon, season)
    return np.asarray(damped_line(adjusted, horizon) * factors)


def damped_additive(history: Floats, horizon: int, season: int) -> Floats:
    """Damped-trend smoothing of the history less an additive season."""
    adjusted, summands = without_season(history, horizon, season)
    return np.asarray(damped_line(adjusted, horizon) + summands)


def damped_line(history: Floats, horizon: int) -> Floats:
    """Holt's linear trend, damped (Gardner & McKenzie 1985), with the rates of least squared error one step ahead."""
    from scipy.optimize import minimize

    history = history[-MOST_HISTORY:]
    if len(history) < 4:
        return np.full(horizon, history[-1])
    scale = float(np.abs(np.diff(history)).mean()) or 1.0

    def loss(rates: Floats) -> float:
        return smoothed_trend(history, *rates.tolist())[2] / scale**2

    bounds = [(LEAST_RATE, MOST_RATE), (LEAST_RATE, MOST_RATE), DAMPING]
    fitted = minimize(loss, np.array([0.5, 0.1, 0.9]), bounds=bounds, method="L-BFGS-B", options={"maxiter": 40})
    level, trend, _ = smoothed_trend(history, *fitted.x.tolist())
    damping = float(fitted.x[2])
    return np.asarray(level + trend * np.cumsum(damping ** np.arange(1, horizon + 1)))


def smoothed_trend(history: Floats, rate: float, trend_rate: float, damping: float) -> tuple[float, float, float]:
    """The last level and trend of damped-trend smoothing, and the sum of squared errors one step ahead.

    rate: of the level; trend_rate: of the trend, as a share of the level's correction (Hyndman & Athanasopoulos 2021,
    section 8.2: beta is the trend's own rate there).
    """
    first = history[:FIRST_VALUES]
    trend, level = (float(value) for value in np.polyfit(np.arange(1, len(first) + 1), first, 1))
    total = 0.0
    for value in history.tolist():
        expected = level + damping * trend
        error = value - expected
        total += error * error
        new = expected + rate * error
        trend = trend_rate * (new - level) + (1 - trend_rate) * damping * trend
        level = new
    return level, trend, total
