"""Forecasters by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asr.errors import ConfigError
from asr.forecast.linear import LinearForecaster
from asr.forecast.methods import BASELINES, Forecaster

LINEAR = ("ridge", "nlinear", "dlinear")
RECURRENT = ("lstm", "gru", "segrnn")
SIMPLE = ("last-value", "seasonal-naive", "drift", "theta")  # what every comparison carries
DEFAULT = (*SIMPLE, "ets", "arima", *LINEAR, *RECURRENT)
SEGMENT = 12  # values of a step of segrnn, at most a quarter of the horizon's


def names() -> list[str]:
    """All known methods."""
    return [*BASELINES, *LINEAR, *RECURRENT]


def _recurrent(name: str, horizon: int, seed: int) -> Forecaster:
    from asr.forecast.recurrent import RecurrentConfig, RecurrentForecaster

    if name == "segrnn":
        segment = max(2, min(SEGMENT, horizon // 4))
        return RecurrentForecaster(RecurrentConfig("gru", segment, hidden_size=96, seed=seed), name)
    return RecurrentForecaster(RecurrentConfig(name, seed=seed), name)


def make(chosen: Sequence[str], horizon: int, seed: int = 1) -> list[Forecaster]:
    """Forecasters of those names. Raises ConfigError for an unknown one."""
    makers: dict[str, Callable[[], Forecaster]] = dict(BASELINES)
    for name in LINEAR:
        makers[name] = lambda name=name: LinearForecaster(name)  # type: ignore[misc]
    for name in RECURRENT:
        makers[name] = lambda name=name: _recurrent(name, horizon, seed)  # type: ignore[misc]
    unknown = [name for name in chosen if name not in makers]
    if unknown:
        raise ConfigError(f"unknown method '{unknown[0]}'; known: {', '.join(names())}.")
    return [makers[name]() for name in dict.fromkeys(chosen)]
