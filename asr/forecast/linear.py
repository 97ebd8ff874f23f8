"""Linear forecasters: the horizon as linear functions of the last values, by ridge regression in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asr.errors import DataError

Floats = NDArray[np.float64]

TREND_WINDOW = 25  # of DLinear's moving average (Zeng et al. 2023)
RIDGES = np.geomspace(1e-4, 1e3, 8)  # candidates, relative to the mean square of the windows
HELD_OUT = 0.2  # share of the windows, the last ones, that choose the ridge


def choose_look_back(length: int, horizon: int, season: int) -> int:
    """The number of last values to use: two seasons or the horizon, at most a third of the history."""
    return max(1, min(max(2 * season, horizon, 12), length // 3, (length - horizon) // 2))


def windows(values: Floats, look_back: int, horizon: int) -> tuple[Floats, Floats]:
    """All pairs of `look_back` values and the `horizon` values after them: (windows, look_back), (windows, horizon)."""
    view = np.lib.stride_tricks.sliding_window_view(values, look_back + horizon)
    return view[:, :look_back], view[:, look_back:]


def window_starts(lengths: Sequence[int], length: int) -> list[NDArray[np.int64]]:
    """The first steps of each series' windows, for series of those lengths one after another."""
    ends = np.cumsum(lengths)
    return [np.arange(end - own, end - length + 1) for end, own in zip(ends, lengths, strict=True)]


class LinearForecaster:
    """Ridge regression on a window of last values.

    kind: `ridge` subtracts the window's mean; `nlinear` its last value (NLinear); `dlinear` the last value, then splits
    the window into moving average and remainder (DLinear; Zeng et al. 2023, here fitted exactly rather than by gradient
    steps); `level` takes the window as it is. look_back: 0 chooses one by season and horizon.
    """

    def __init__(self, kind: str = "ridge", look_back: int = 0) -> None:
        self.name, self.look_back = kind, look_back
        self._chosen = not look_back  # by `fit`, each time
        self._weights, self._ridge = np.zeros((0, 0)), RIDGES[0]

    def fit(self, history: Floats, horizon: int, season: int) -> None:
        """Raises DataError for a history too short for one window."""
        values = history[:, 0]
        if self._chosen:
            self.look_back = choose_look_back(len(values), horizon, season)
        if len(values) < self.look_back + horizon + 1:
            raise DataError(
                f"{len(values)} values are too few for a horizon of {horizon} from {self.look_back} values; shorten it."
            )
        left, right = windows(values, self.look_back, horizon)
        held = max(1, int(HELD_OUT * len(left)))
        if len(left) > 4 * held // 3:
            self.choose_ridge(left[:-held], right[:-held], left[-held:], right[-held:])
        self.learn(left, right)

    def choose_ridge(self, left: Floats, right: Floats, held_left: Floats, held_right: Floats) -> None:
        """Choose the ridge that, fitted to windows (windows, look_back), best predicts the held-out ones."""
        inputs, centres = self._inputs(left)
        held, held_centres = self._inputs(held_left)
        outputs, wanted = right - centres, held_right - held_centres
        errors = [np.square(held @ _solve(inputs, outputs, ridge) - wanted).mean() for ridge in RIDGES]
        self._ridge = RIDGES[int(np.argmin(errors))]

    def learn(self, left: Floats, right: Floats) -> None:
        """Fit to windows (windows, look_back) and the values after them (windows, horizon)."""
        inputs, centres = self._inputs(left)
        self._weights = _solve(inputs, right - centres, self._ridge)

    def forecast_windows(self, left: Floats) -> Floats:
        """The forecasts (windows, horizon) after windows (windows, look_back)."""
        inputs, centres = self._inputs(left)
        return np.asarray(inputs @ self._weights + centres)

    def forecast(self, history: Floats) -> Floats:
        return np.asarray(self.forecast_windows(history[-self.look_back :, 0][None])[0])

    def _inputs(self, left: Floats) -> tuple[Floats, Floats]:
        """The regressors (windows, values), and what is added to the output (windows, 1)."""
        if self.name == "level":
            return left, np.zeros((len(left), 1))
        centres = left.mean(axis=1, keepdims=True) if self.name == "ridge" else left[:, -1:]
        values = left - centres
        if self.name == "dlinear":
            trend = moving_average(values, TREND_WINDOW)
            values = np.concatenate([trend, values - trend], axis=1)
        return values, centres


def moving_average(values: Floats, window: int) -> Floats:
    """The moving average along the last axis, of the same length: the edges are repeated."""
    window = min(window, 2 * values.shape[-1] - 1)
    before = (window - 1) // 2
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(before, window - 1 - before)], mode="edge")
    sums = np.cumsum(np.pad(padded, [(0, 0)] * (values.ndim - 1) + [(1, 0)]), axis=-1)
    return np.asarray((sums[..., window:] - sums[..., :-window]) / window)


def _solve(inputs: Floats, outputs: Floats, ridge: float) -> Floats:
    square = inputs.T @ inputs
    penalty = ridge * (float(np.trace(square)) / len(square) or 1.0)
    return np.asarray(np.linalg.solve(square + penalty * np.eye(len(square)), inputs.T @ outputs))
