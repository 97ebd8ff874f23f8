"""One model for many series: a hybrid of exponential smoothing and a network, and ridge regressions.

The hybrid follows ES-RNN (Smyl 2020): smoothing gives level and season, a recurrent network predicts the rest.

For the network each seasonal series is divided by its seasonal factors. Windows of logarithms are taken relative to the
level at their end; the network predicts what follows relative to that level, and the factors are multiplied back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.callbacks import Note
from asr.errors import DataError
from asr.forecast.linear import LinearForecaster, window_starts
from asr.forecast.methods import deseasonalized
from asr.train.log import EpochLog, FinalLog, StepLog

Floats = NDArray[np.float64]

GLOBAL = ("hybrid", "global-ridge")
SEEDS = 3  # networks of a hybrid, whose forecasts are averaged in logarithms
BATCH, MOST_STEPS = 256, 6000  # of training a network
LONGEST_SEASONS = 14  # most seasons in a window
UNSEASONAL_STEPS = 26  # most steps in a window without a season
LONGEST_WINDOW = 336
RIDGE_WINDOWS = 400  # most windows of a series, its last ones, for the ridge regression
LEAST_CHANGE = 1e-4  # in logarithms, added to the scale of a window


@dataclass(frozen=True)
class Prepared:
    """The logarithms of all series, one after another, seasonally adjusted."""

    logs: Floats  # (time,)
    ends: NDArray[np.int64]  # (series,): one past the last step of each
    lengths: NDArray[np.int64]
    factors: Floats  # (series, horizon): of the season to come


def forecast_all(
    name: str, histories: Sequence[Floats], horizon: int, season: int, seed: int = 1, note: Note | None = None
) -> Floats:
    """The forecasts (series, horizon) after each history. Raises DataError for values that are not above zero."""
    if any((history <= 0).any() for history in histories):
        raise DataError(f"'{name}' works on logarithms: all values must be above zero.")
    if name == "global-ridge":
        return np.asarray(np.exp(_by_ridge(histories, horizon, season)))
    # The network learns a season that windows hold several times; other seasons are adjusted for.
    look_back = _window(histories, horizon, season)
    seen = look_back >= 2 * season > 2
    made = _prepare(histories, horizon, 1 if seen else season)
    centred = season if seen else 1
    lasts = np.stack([_last_window(values, look_back) for values in np.split(made.logs, made.ends[:-1])])
    starts = window_starts(made.lengths.tolist(), look_back + horizon)
    logs = _by_networks(made, starts, lasts, look_back, horizon, centred, season if seen else 1, seed, note)
    return np.asarray(np.exp(logs) * made.factors)


def _window(histories: Sequence[Floats], horizon: int, season: int) -> int:
    """The steps of a window: as many as nine in ten series allow, within limits."""
    usual = int(np.quantile([len(history) for history in histories], 0.1)) - horizon
    wanted = min(LONGEST_WINDOW, LONGEST_SEASONS * season) if season > 1 else UNSEASONAL_STEPS
    return max(2, min(wanted, usual // 2 if season == 1 else usual - 1))


def _prepare(histories: Sequence[Floats], horizon: int, season: int) -> Prepared:
    pairs = [deseasonalized(history, horizon, season) for history in histories]
    lengths = np.array([len(history) for history in histories])
    logs = np.log(np.concatenate([adjusted for adjusted, _ in pairs]))
    return Prepared(logs, np.cumsum(lengths), lengths, np.stack([factors for _, factors in pairs]))


def _last_window(values: Floats, look_back: int) -> Floats:
    """The window that a forecast starts from; in a shorter series the first value is repeated."""
    return np.concatenate([np.full(max(0, look_back - len(values)), values[0]), values[-look_back:]])


def _by_ridge(histories: Sequence[Floats], horizon: int, season: int) -> Floats:
    """The mean forecast from windows of several lengths, in logarithms (series, horizon).

    A window less its last value is divided by its mean change from step to step, so that series of different volatility
    count alike.
    """
    logs = [np.log(history) for history in histories]
    longest = int(np.median([len(values) for values in logs])) - 2 * horizon  # half of the series have it, and teach
    if longest < 2:
        raise DataError(f"most series are too short to learn a horizon of {horizon} from; it takes two and a window.")
    lengths = {min(length, longest) for length in _ridge_windows(season)}
    return np.asarray(np.mean([_ridge(logs, horizon, length) for length in sorted(lengths)], axis=0))


def _ridge_windows(season: int) -> list[int]:
    """As many seasons as a window may hold; of long ones half a season, and one, two and three and the steps around."""
    if season < 2:
        return [UNSEASONAL_STEPS // 2, UNSEASONAL_STEPS]
    if LONGEST_SEASONS * season <= LONGEST_WINDOW:
        return [LONGEST_SEASONS * season + 2]
    return [season // 2, *(count * season + 2 for count in (1, 2, 3))]


def _ridge(logs: Sequence[Floats], horizon: int, look_back: int) -> Floats:
    """By windows of one length; series too short for one teach nothing, and are forecast with their first value
    repeated before them."""
    steps = look_back + horizon
    views = [
        np.lib.stride_tricks.sliding_window_view(values, steps)[-RIDGE_WINDOWS:]
        for values in logs
        if len(values) > steps
    ]
    train, held = np.concatenate([view[:-horizon] for view in views]), np.concatenate([view[-1:] for view in views])

    def scaled(windows: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        left, last = windows[:, :look_back], windows[:, look_back - 1 : look_back]
        scale = np.abs(np.diff(left, axis=1)).mean(axis=1, keepdims=True) + LEAST_CHANGE
        return (left - last) / scale, (windows[:, look_back:] - last) / scale, last, scale

    model = LinearForecaster("level", look_back)
    model.choose_ridge(*scaled(train)[:2], *scaled(held)[:2])
    model.learn(*scaled(np.concatenate(views))[:2])
    lefts, _, last, scale = scaled(np.stack([_last_window(values, look_back) for values in logs]))
    return model.forecast_windows(lefts) * scale + last


def _by_networks(
    made: Prepared, starts: list[NDArray[np.int64]], lasts: Floats, look_back: int, horizon: int, centred: int,
    segment: int, seed: int, note: Note | None,
) -> Floats:  # fmt: skip
    import torch

    from asr.forecast.recurrent import RecurrentConfig, train_network, training_steps

    everything = np.concatenate(starts)
    held = np.concatenate([part[-1:] for part in starts])
    kind, size = ("gru", 128) if segment > 1 else ("lstm", 64)
    steps = training_steps(len(everything), BATCH, MOST_STEPS)
    forecasts = []
    for number in range(SEEDS):
        config = RecurrentConfig(
            kind, segment, hidden_size=size, centre_steps=centred, batch=BATCH, steps=steps, epochs=8,
            learning_rate=2e-3, dropout=0.1, seed=seed + number,
        )  # fmt: skip

        def show(entry: StepLog | EpochLog | FinalLog, number: int = number) -> None:
            if note is not None and isinstance(entry, EpochLog):
                loss = entry.figures["loss_held_out"]
                note(f"hybrid {number + 1} of {SEEDS}: epoch {entry.epoch}, held-out loss {loss:.4f}")

        network = train_network(config, made.logs[:, None], everything, held, look_back, horizon, show)
        with torch.inference_mode():
            output = network(torch.from_numpy(lasts).float()[:, :, None])
        forecasts.append(output.double().numpy())
    return np.asarray(np.mean(forecasts, axis=0))
