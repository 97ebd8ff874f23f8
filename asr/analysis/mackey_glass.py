"""The Mackey-Glass series, and how well an echo state network continues it."""

from __future__ import annotations

import torch
from torch import Tensor

from asr.analysis.echo_state import EchoStateNetwork


def mackey_glass(steps: int, delay: float = 17.0, step: float = 0.1, every: int = 10, skip: int = 1000) -> Tensor:
    """The Mackey-Glass series x' = 0.2 x(t - delay) / (1 + x(t - delay)^10) - 0.1 x, a value per unit of time (steps,).

    Integrated by the fourth-order Runge-Kutta method in steps of `step`; a delayed value between two steps is their
    mean. every: steps between two values; skip: values left out at the beginning.
    """
    back = round(delay / step)
    total = (steps + skip) * every
    values = [1.2] * (back + 1)

    def slope(value: float, delayed: float) -> float:
        return 0.2 * delayed / (1 + delayed**10) - 0.1 * value

    for now in range(back, back + total):
        value, first, last = values[now], values[now - back], values[now - back + 1]
        middle = (first + last) / 2
        one = slope(value, first)
        two = slope(value + step / 2 * one, middle)
        three = slope(value + step / 2 * two, middle)
        four = slope(value + step * three, last)
        values.append(value + step / 6 * (one + 2 * two + 2 * three + four))
    return torch.tensor(values[back + skip * every :: every][:steps], dtype=torch.float64)


def mackey_glass_error(
    hidden_size: int = 1000, train: int = 3000, washout: int = 1000, ahead: int = 84, trials: int = 50, seed: int = 1
) -> float:
    """The error of a free-running network `ahead` steps after the data ends (Jaeger & Haas 2004: 10^-4.2 at 84).

    The network learns tanh(x - 1) one step ahead on `train` steps after the washout. At each of `trials` later places
    it reads 500 steps and then its own outputs. The root mean squared error of the last step is divided by the standard
    deviation of the series (NRMSE).
    """
    begin = washout + train + 500
    series = mackey_glass(begin + 500 + 250 * trials + ahead)
    squeezed = torch.tanh(series - 1)[:, None]
    network = EchoStateNetwork(1, hidden_size, seed=seed)
    network.fit(squeezed[: washout + train], squeezed[1 : washout + train + 1], washout)
    errors = []
    for trial in range(trials):
        place = begin + 500 + 250 * trial
        forecast = network.generate(squeezed[place - 500 : place], ahead)[-1, 0].clamp(-0.999999, 0.999999)
        errors.append(torch.atanh(forecast) + 1 - series[place + ahead - 1])
    return float(torch.stack(errors).square().mean().sqrt() / series.std(unbiased=False))
