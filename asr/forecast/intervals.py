"""Intervals around forecasts: split conformal prediction from a method's own past errors.

Errors of past forecasts are no sample of independent values of one size, which conformal prediction supposes:

- They grow with the series. Each is taken relative to the scale of the history before its origin, and an interval is
  so many times the scale of the history before the forecast (normalised conformal prediction; Papadopoulos et al. 2008;
  Lei et al. 2018, section 5.2). The scale is that of scaled errors (Hyndman & Koehler 2006): the mean absolute change.
- Forecasts of several steps from neighbouring origins miss the same changes. Their number counts as that of so many
  independent errors (Bayley & Hammersley 1946) as their correlation says.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.errors import DataError
from asr.forecast.known import Filled, actual_at, history_at
from asr.forecast.methods import Forecaster

Floats = NDArray[np.float64]

INTERVAL = 0.9  # nominal coverage of the intervals
CALIBRATION_ORIGINS = 40  # past forecasts that the intervals are computed from, at most
LEAST_ORIGINS = 3  # at least
LEAST_SCALE = 0.1  # of an origin, relative to the whole history's: a first half that hardly moves is no measure
HALF_LIFE, LEAST_HALF_LIFE = 0.25, 8.0  # of a change's weight in the scale, relative to the history, and in changes
RANK_TOLERANCE = 1e-9  # (9 + 1) * 0.9 in floating point may be above 9


@dataclass(frozen=True)
class PastErrors:
    """Absolute errors of past forecasts relative to the scale at their origins (origins, horizon), and the origins.

    They are NaN where the actual value was missing.
    """

    scaled: Floats
    origins: NDArray[np.int64]  # (origins,): the number of values before each
    half_life: float  # changes, of their weights in the scale
    least_scale: float  # of an interval

    def __len__(self) -> int:
        return len(self.origins)

    def scale(self, values: Floats) -> float:
        """The unit of widths of an interval after `values` (time, columns); 1 if the target does not change."""
        return max(mean_change(values, self.half_life), self.least_scale) or 1.0


def mean_change(values: Floats, half_life: float) -> float:
    """The exponentially weighted mean absolute change of the target of `values` (time, columns)."""
    changes = np.abs(np.diff(values[:, 0]))
    weights = 0.5 ** (np.arange(len(changes))[::-1] / half_life)
    return float(weights @ changes / weights.sum()) if len(changes) else 0.0


def past_errors(
    method: Forecaster, values: Floats, horizon: int, season: int, filled: Filled | None = None
) -> PastErrors:
    """The errors of past forecasts, from origins in the second half of `values` (time, columns).

    They are those of a copy of the method that is fitted to the values before the first of these origins: errors of
    values that a method was fitted to are too small. There are none if the series is too short. filled: which values
    (time, columns) were missing, as for `rolling_origin`.
    """
    half_life = max(LEAST_HALF_LIFE, HALF_LIFE * len(values))
    none = PastErrors(np.zeros((0, horizon)), np.zeros(0, np.int64), half_life, 0.0)
    least = max(2, len(values) // 2)
    places = np.unique(np.linspace(least, len(values) - horizon, CALIBRATION_ORIGINS).astype(np.int64))
    places = places[(places >= least) & (places <= len(values) - horizon)]
    if len(places) < LEAST_ORIGINS:
        return none
    twin = copy.deepcopy(method)
    try:
        histories = [history_at(values, place, filled) for place in places.tolist()]
        twin.fit(histories[0], horizon, season)
        pairs = zip(histories, places.tolist(), strict=True)
        rows = [np.abs(twin.forecast(past) - actual_at(values, place, horizon, filled)) for past, place in pairs]
    except DataError:
        return none
    scales = np.array([mean_change(past, half_life) for past in histories])
    scales = np.maximum(scales, LEAST_SCALE * mean_change(values, half_life))
    return PastErrors(
        np.stack(rows) / np.where(scales > 0, scales, 1.0)[:, None], places, half_life, float(np.median(scales))
    )


def interval_widths(errors: PastErrors, share: float = INTERVAL) -> Floats:
    """Half widths (horizon,), in scales of the history, of intervals that hold `share` of the values.

    For each step by itself (Vovk et al. 2005; Stankeviciute et al. 2021). Of n independent errors it is the k-th
    smallest, k = ceil((n + 1) share); of n that count as m, k = ceil(n (m + 1) / m share). Where they are too few for
    that, k > n, it is the root mean square of the errors times Student's quantile for m degrees of freedom, which is
    exact for independent normal errors of mean 0. NaN without errors.
    """
    horizon = errors.scaled.shape[1]
    counts = (~np.isnan(errors.scaled)).sum(axis=0)
    widths: Floats = np.full(horizon, math.nan)
    if not counts.any():
        return widths
    effective = np.maximum(effective_counts(errors), 1.0)
    ranks = np.ceil(counts * (effective + 1) / effective * share - RANK_TOLERANCE).astype(int)
    ordered = np.sort(errors.scaled, axis=0)  # NaN comes last
    found = ordered[np.minimum(ranks, counts) - 1, np.arange(horizon)]
    few = ranks > counts
    if few.any():
        from scipy.stats import t as student

        found[few] = (student.ppf((1 + share) / 2, effective) * np.sqrt(_mean_squares(errors)))[few]
    widths[counts > 0] = found[counts > 0]
    return widths


def effective_counts(errors: PastErrors) -> Floats:
    """As how many independent errors those of each step count (horizon,), by the variance of their mean square.

    For normal errors that is n^2 / sum over pairs of r^2 (Bayley & Hammersley 1946; Satterthwaite 1946), r being the
    correlation of two errors. Errors s steps ahead are moving averages of the s last surprises (Hansen & Hodrick 1980);
    a weight's square is what the step adds to the mean square: weights 1, 1, … of a random walk, 1, 0, … of noise.
    """
    horizon = errors.scaled.shape[1]
    known = ~np.isnan(errors.scaled)
    squares = np.maximum.accumulate(_mean_squares(errors))
    weights = np.sqrt(np.diff(squares, prepend=0.0))
    lags = np.abs(errors.origins[:, None] - errors.origins)
    found: Floats = known.sum(axis=0).astype(np.float64)
    for step in range(1, horizon + 1):
        count, here = found[step - 1], known[:, step - 1]
        if count and squares[step - 1] > 0:
            shared = np.correlate(weights[:step], weights[:step], "full")[step - 1 :] / squares[step - 1]
            correlations = np.append(shared, 0.0)[np.minimum(lags[np.ix_(here, here)], step)]
            found[step - 1] = count**2 / np.square(correlations).sum()
    return found


def _mean_squares(errors: PastErrors) -> Floats:
    """The mean squared errors of each step (horizon,), 0 where none is known."""
    counts = (~np.isnan(errors.scaled)).sum(axis=0)
    return np.asarray(np.nansum(np.square(errors.scaled), axis=0) / np.maximum(counts, 1))
