"""Speed of forecasters: this project beside statsforecast, and beside a plain nn.LSTM loop over windows.

    python tools/bench/forecast_speed.py [--series 150] [--rounds 3]

Theta: monthly series with a season and a trend, one after another; statsforecast's Theta and its OptimizedTheta.
Recurrent: windows of 96 values to the 24 after them, an LSTM of 64 units, batches of 256; the peer is the loop of most
tutorials (a DataLoader that cuts windows one by one, nn.LSTM, AdamW), the project's windows run in its training loop,
validation and checkpoints included. All take turns in one process with one thread; medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from asr.forecast.methods import theta
from asr.forecast.recurrent import RecurrentConfig, train_network

LOOK_BACK, HORIZON, UNITS, BATCH, STEPS = 96, 24, 64, 256, 40


def monthly(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        time_ = np.arange(random.integers(60, 140))
        season = 1 + 0.2 * np.sin(2 * np.pi * (time_ + random.integers(12)) / 12)
        found.append((1000 + 5 * time_ + random.normal(0, 30, len(time_)).cumsum()) * season)
    return found


def statsforecast_theta(name: str, series: list[np.ndarray]) -> None:
    from statsforecast import models

    for values in series:
        getattr(models, name)(season_length=12).forecast(y=values, h=18)


class Windows(Dataset):
    def __init__(self, values: np.ndarray) -> None:
        self.values = torch.from_numpy(values).float()

    def __len__(self) -> int:
        return len(self.values) - LOOK_BACK - HORIZON + 1

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        end = place + LOOK_BACK
        return self.values[place:end, None], self.values[end : end + HORIZON]


def plain_loop(values: np.ndarray) -> float:
    lstm, head = nn.LSTM(1, UNITS, batch_first=True), nn.Linear(UNITS, HORIZON)
    parameters = [*lstm.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    batches = iter(DataLoader(Windows(values), BATCH, shuffle=True, drop_last=True))
    started = time.perf_counter()
    for _ in range(STEPS):
        left, right = next(batches)
        optimizer.zero_grad()
        (head(lstm(left)[0][:, -1]) - right).abs().mean().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    return STEPS * BATCH / (time.perf_counter() - started)


def our_loop(values: np.ndarray) -> float:
    starts = np.arange(len(values) - LOOK_BACK - HORIZON + 1)
    config = RecurrentConfig("lstm", hidden_size=UNITS, batch=BATCH, steps=STEPS, epochs=1, dropout=0.0)
    started = time.perf_counter()
    train_network(config, values[:, None], starts[:-BATCH], starts[-BATCH:], LOOK_BACK, HORIZON)
    return STEPS * BATCH / (time.perf_counter() - started)


def per_second(series: list[np.ndarray], work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return len(series) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    series = monthly(options.series)
    long = np.sin(np.arange(20000) / 12) + np.random.default_rng(1).normal(0, 0.1, 20000)
    rates: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        rates.setdefault(name, []).append(value)

    for name in ("Theta", "OptimizedTheta"):
        statsforecast_theta(name, series[:2])  # compiles
    for _ in range(options.rounds):
        note("theta, asr (series/s)", per_second(series, lambda: [theta(values, 18, 12) for values in series]))
        for name in ("Theta", "OptimizedTheta"):
            rate = per_second(series, lambda name=name: statsforecast_theta(name, series))
            note(f"theta, statsforecast {name} (series/s)", rate)
        note("recurrent, asr (windows/s)", our_loop(long))
        note("recurrent, plain nn.LSTM loop (windows/s)", plain_loop(long))
    for name, values in rates.items():
        family = name.split(",")[0]
        ratio = statistics.median(rates[next(n for n in rates if n.startswith(f"{family}, asr"))]) / statistics.median(
            values
        )
        print(f"{name:<48} {statistics.median(values):10.1f}   asr {ratio:5.2f} times as fast")


if __name__ == "__main__":
    main()
