"""The protocol of long-horizon forecasting: all windows of the test part of a table of series, on one scale.

As in Informer (Zhou et al. 2021) and its successors, the series are scaled by mean and deviation of the training part.
One model forecasts each column from that column's own window (channel-independent; Nie et al. 2023). Errors are means
over all windows, steps and columns; no window is dropped because it does not fill a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.callbacks import Note
from asr.errors import ConfigError, DataError
from asr.forecast.choose import LINEAR, RECURRENT
from asr.forecast.linear import LinearForecaster
from asr.forecast.methods import seasonal_naive
from asr.train.log import EpochLog, FinalLog, StepLog

Floats = NDArray[np.float64]
WindowModel = Callable[[Floats, NDArray[np.int64]], Floats]
"""Windows (windows, look_back) and the columns (windows,) that they are of to forecasts (windows, horizon)."""

NAIVE = ("last-value", "seasonal-naive")
AVERAGE = "average"  # of the learned methods before it
SEGRNN_COLUMNS = "segrnn-columns"  # with an embedding for each column, as SegRNN has it (Lin et al. 2023)
METHODS = (*NAIVE, *LINEAR, *RECURRENT, SEGRNN_COLUMNS, AVERAGE)
AT_ONCE = 4096  # windows


@dataclass(frozen=True)
class Parts:
    """Scaled series, and where their windows begin."""

    values: Floats  # (columns, time)
    train: NDArray[np.int64]  # (windows,): first steps
    held: NDArray[np.int64]
    test: NDArray[np.int64]
    look_back: int
    horizon: int

    def windows(self, starts: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """All columns' windows (columns * starts, look_back), and the values after them (columns * starts, horizon)."""
        length = self.look_back + self.horizon
        cut = np.lib.stride_tricks.sliding_window_view(self.values, length, axis=1)[:, starts]
        cut = cut.reshape(-1, length)
        return cut[:, : self.look_back], cut[:, self.look_back :]


@dataclass(frozen=True)
class WindowErrors:
    """The errors of one method: of each test window the mean over steps and columns (windows,)."""

    name: str
    squared: Floats
    absolute: Floats

    @property
    def mse(self) -> float:
        """Mean squared error on the scaled series."""
        return float(self.squared.mean())

    @property
    def mae(self) -> float:
        """Mean absolute error on the scaled series."""
        return float(self.absolute.mean())


def divide(values: Floats, sizes: Sequence[int], look_back: int, horizon: int) -> Parts:
    """The parts of values (time, columns), with so many steps (`sizes`) for training, validation and test.

    Validation and test windows look back into the part before theirs. Raises DataError where a part is too short.
    """
    train, held, test = sizes
    if train + held + test > len(values):
        raise DataError(f"the series have {len(values)} steps, fewer than the {train + held + test} of the split.")
    if min(train - look_back, held, test) < horizon:
        raise DataError(f"a part of the split is too short for windows of {look_back} and {horizon} steps.")
    learned = values[:train]
    scaled = (values - learned.mean(axis=0)) / np.maximum(learned.std(axis=0), 1e-12)
    starts = np.arange(train + held + test - look_back - horizon + 1)
    first_held, first_test = train - look_back, train + held - look_back
    return Parts(
        scaled.T.copy(),
        starts[: first_held - horizon + 1],
        starts[first_held : first_test - horizon + 1],
        starts[first_test:],
        look_back,
        horizon,
    )


def evaluate(
    parts: Parts, methods: Sequence[str], season: int, seed: int = 1, note: Note | None = None
) -> list[WindowErrors]:
    """The errors on all test windows of each method, fitted to the training windows.

    Raises ConfigError for an unknown method.
    """
    results: list[WindowErrors] = []
    learned: list[Floats] = []
    left, right = parts.windows(parts.test)
    columns = len(parts.values)
    of = np.arange(columns).repeat(len(parts.test))
    for name in methods:
        if note is not None:
            note(name)
        if name == AVERAGE:
            if not learned:
                raise ConfigError("'average' combines the learned methods named before it; there are none.")
            forecasts = np.mean(learned, axis=0)
        else:
            model = _model(name, parts, season, seed, note)
            pieces = [slice(at, at + AT_ONCE) for at in range(0, len(left), AT_ONCE)]
            forecasts = np.concatenate([model(left[piece], of[piece]) for piece in pieces])
            if name not in NAIVE:
                learned.append(forecasts)
        gaps = (forecasts - right).reshape(columns, len(parts.test), -1)
        results.append(WindowErrors(name, np.square(gaps).mean(axis=(0, 2)), np.abs(gaps).mean(axis=(0, 2))))
    return results


def _model(name: str, parts: Parts, season: int, seed: int, note: Note | None) -> WindowModel:
    horizon = parts.horizon
    if name == "last-value":
        return lambda left, _: np.repeat(left[:, -1:], horizon, axis=1)
    if name == "seasonal-naive":
        return lambda left, _: np.stack([seasonal_naive(row, horizon, season) for row in left])
    if name in LINEAR:
        linear = LinearForecaster(name, parts.look_back)
        train = parts.windows(parts.train)
        linear.choose_ridge(*train, *parts.windows(parts.held))
        linear.learn(*train)
        return lambda left, _: linear.forecast_windows(left)
    if name not in (*RECURRENT, SEGRNN_COLUMNS):
        raise ConfigError(f"unknown method '{name}'; known: {', '.join(METHODS)}.")
    return _recurrent(name, parts, season, seed, note)


def _recurrent(name: str, parts: Parts, season: int, seed: int, note: Note | None) -> WindowModel:
    import torch

    from asr.forecast.recurrent import train_network, window_config

    columns, time = parts.values.shape
    shifts = time * np.arange(columns)[:, None]
    train, held = ((shifts + starts).reshape(-1) for starts in (parts.train, parts.held))
    series = columns if name == SEGRNN_COLUMNS else 0
    kind = name.removesuffix("-columns")
    config = window_config(kind, parts.look_back, parts.horizon, season, len(train), series, seed)

    def show(entry: StepLog | EpochLog | FinalLog) -> None:
        if note is not None and isinstance(entry, EpochLog):
            loss = entry.figures["loss_held_out"]
            note(f"{name}: epoch {entry.epoch} of {config.epochs}, held-out loss {loss:.4f}")

    network = train_network(config, parts.values.reshape(-1, 1), train, held, parts.look_back, parts.horizon, show)

    def forecast(left: Floats, of: NDArray[np.int64]) -> Floats:
        with torch.inference_mode():
            forecasts = network(torch.from_numpy(left.copy()).float()[:, :, None], torch.from_numpy(of))
        return np.asarray(forecasts.double().numpy())

    return forecast
