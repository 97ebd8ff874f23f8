"""Forecasters by name."""

from __future__ import annotations

from collections.abc import Sequence

from asr.errors import ConfigError
from asr.forecast.automatic import NAME as AUTOMATIC
from asr.forecast.automatic import AutomaticForecaster
from asr.forecast.linear import LinearForecaster
from asr.forecast.methods import BASELINES, Forecaster

LINEAR = ("ridge", "nlinear", "dlinear")
RECURRENT = ("lstm", "gru", "segrnn")
SIMPLE = ("last-value", "seasonal-naive", "drift", "theta")  # the baselines of every comparison
DEFAULT = (*SIMPLE, "ets", "arima", *LINEAR, *RECURRENT)
SEGMENT = 12  # values of a segment of segrnn, at most a quarter of the horizon


def names() -> list[str]:
    """The names of all methods."""
    return [*BASELINES, AUTOMATIC, *LINEAR, *RECURRENT]


def _recurrent(name: str, horizon: int, seed: int) -> Forecaster:
    from asr.forecast.recurrent import RecurrentConfig, RecurrentForecaster

    if name == "segrnn":
        segment = max(2, min(SEGMENT, horizon // 4))
        return RecurrentForecaster(RecurrentConfig("gru", segment, hidden_size=96, seed=seed), name)
    return RecurrentForecaster(RecurrentConfig(name, seed=seed), name)


def make(chosen: Sequence[str], horizon: int, seed: int = 1) -> list[Forecaster]:
    """A forecaster for each name, without repetition. Raises ConfigError for an unknown name."""
    return [_make(name, horizon, seed) for name in dict.fromkeys(chosen)]


def _make(name: str, horizon: int, seed: int) -> Forecaster:
    if name in BASELINES:
        return BASELINES[name]()
    if name == AUTOMATIC:
        return AutomaticForecaster()
    if name in LINEAR:
        return LinearForecaster(name)
    if name in RECURRENT:
        return _recurrent(name, horizon, seed)
    raise ConfigError(f"unknown method '{name}'; known: {', '.join(names())}.")
