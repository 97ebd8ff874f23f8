"""Forecast errors as the forecasting literature defines them, and a test between two forecasters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def mae(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Mean absolute error."""
    return float(np.abs(np.asarray(forecast, float) - np.asarray(actual, float)).mean())


def mse(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Mean squared error."""
    return float(np.square(np.asarray(forecast, float) - np.asarray(actual, float)).mean())


def rmse(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Root mean squared error."""
    return math.sqrt(mse(actual, forecast))


def smape(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Symmetric mean absolute percentage error in per cent, 0..200 (Makridakis et al. 2020); 0 / 0 counts as 0."""
    left, right = np.asarray(actual, float), np.asarray(forecast, float)
    total = np.abs(left) + np.abs(right)
    return float(np.divide(200 * np.abs(left - right), total, out=np.zeros_like(total), where=total > 0).mean())


def mase(actual: ArrayLike, forecast: ArrayLike, history: ArrayLike, season: int = 1) -> float:
    """Mean absolute scaled error (Hyndman & Koehler 2006): MAE relative to that of the seasonal naive in `history`.

    NaN if the history is not longer than its season, or repeats itself exactly.
    """
    past = np.asarray(history, float)
    scale = np.abs(past[season:] - past[:-season]).mean() if len(past) > season else 0.0
    return mae(actual, forecast) / float(scale) if scale > 0 else math.nan


def owa(smape_value: float, mase_value: float, naive2_smape: float, naive2_mase: float) -> float:
    """Overall weighted average of the M4 competition: the mean of sMAPE and MASE relative to those of Naive2.

    NaN where Naive2 makes no error.
    """
    if naive2_smape <= 0 or naive2_mase <= 0:
        return math.nan
    return 0.5 * (smape_value / naive2_smape + mase_value / naive2_mase)


def coverage(actual: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Share of actual values that lie within their interval."""
    values = np.asarray(actual, float)
    return float(((np.asarray(low, float) <= values) & (values <= np.asarray(high, float))).mean())


@dataclass(frozen=True)
class DieboldMariano:
    """Second forecaster minus first: mean difference of losses (negative: the second is better), two-sided p-value."""

    difference: float
    statistic: float
    p_value: float


def diebold_mariano(first_losses: ArrayLike, second_losses: ArrayLike, horizon: int = 1) -> DieboldMariano:
    """Test of equal accuracy (Diebold & Mariano 1995) with the small-sample correction of Harvey et al. 1997.

    The losses, such as squared errors, are those of each forecast in order of time. horizon: steps ahead; differences
    of losses that are less than `horizon` steps apart may be correlated. Raises ValueError for fewer losses than twice
    the horizon.
    """
    from scipy.stats import t as student

    gaps = np.asarray(second_losses, float) - np.asarray(first_losses, float)
    count = len(gaps)
    if count < 2 * horizon or count < 3:
        raise ValueError(f"{count} forecasts are too few for a test at horizon {horizon}")
    centred = gaps - gaps.mean()
    spread = float((centred @ centred) / count)
    for lag in range(1, horizon):
        spread += 2 * float(centred[lag:] @ centred[:-lag]) / count
    if spread <= 0:
        return DieboldMariano(float(gaps.mean()), 0.0, 1.0)
    statistic = gaps.mean() / math.sqrt(spread / count)
    statistic *= math.sqrt((count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count)
    return DieboldMariano(float(gaps.mean()), float(statistic), float(2 * student.sf(abs(statistic), count - 1)))
