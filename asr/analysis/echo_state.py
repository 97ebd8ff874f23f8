"""Echo state networks: a reservoir that is never trained, and a readout by ridge regression in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from asr.nn.stepped import EchoState

RESERVOIR = {"spectral_radius": 0.8, "leak": 0.9, "density": 0.01}  # for a thousand units


class EchoStateNetwork:
    """A leaky reservoir (Jaeger 2001) whose state, input and a constant are mapped to outputs linearly.

    All in double precision: what the readout has to tell apart lies many powers of ten below the states themselves.
    input_size: features of a step. seed: of the reservoir's weights. reservoir: `EchoState`'s arguments that are to
    differ from `RESERVOIR`.
    """

    def __init__(self, input_size: int, hidden_size: int = 1000, seed: int = 1, **reservoir: float) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layer = EchoState(input_size, hidden_size, **(RESERVOIR | reservoir))
        self.reservoir = layer.double()
        self.weights = torch.zeros(0, dtype=torch.float64)

    def states(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """inputs: (time, input_size) to what is read out (time, hidden_size + 1 + input_size) and the last state."""
        inputs = inputs.double()
        with torch.no_grad():
            outputs, (last,) = self.reservoir(inputs[None], None if state is None else (state,), None, None)
        ones = inputs.new_ones(len(inputs), 1)
        return torch.cat([outputs[0], ones, inputs], dim=1), last

    def fit(self, inputs: Tensor, targets: Tensor, washout: int = 100, ridge: float = 0.0) -> None:
        """Learn to give `targets` (time, outputs) for `inputs` (time, input_size), the first `washout` steps left out.

        The least squares of W s - y plus ridge * |W|^2, by the singular values of the states rather than by their
        squares, which would lose half of the digits. Raises ValueError for fewer steps than the washout.
        """
        if len(inputs) != len(targets) or len(inputs) <= washout:
            raise ValueError("inputs and targets must be of one length, longer than the washout")
        read, _ = self.states(inputs)
        left, values, right = torch.linalg.svd(read[washout:], full_matrices=False)
        smallest = values[0] * torch.finfo(values.dtype).eps
        shrunk = torch.where(values > smallest, values / (values.square() + ridge), 0.0)
        self.weights = right.T @ (shrunk[:, None] * (left.T @ targets[washout:].double()))

    def predict(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Outputs (time, outputs) for inputs (time, input_size), and the last state."""
        read, last = self.states(inputs, state)
        return read @ self.weights, last

    def generate(self, inputs: Tensor, steps: int) -> Tensor:
        """What follows `inputs` (time, input_size), each output taken as the next input: (steps, input_size).

        For a network that was fitted to give the next step of its input.
        """
        outputs, state = self.predict(inputs)
        found = [outputs[-1:]]
        while len(found) < steps:
            output, state = self.predict(found[-1], state)
            found.append(output)
        return torch.cat(found)


def mackey_glass(steps: int, delay: float = 17.0, step: float = 0.1, every: int = 10, skip: int = 1000) -> Tensor:
    """The Mackey-Glass series x' = 0.2 x(t - delay) / (1 + x(t - delay)^10) - 0.1 x, once a unit of time (steps,).

    Fourth-order Runge-Kutta in steps of `step`, delayed values between two steps by the mean of both; every: steps
    between two values; skip: values left out at the beginning.
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
    """NRMSE of a free-running network `ahead` steps after the data ends (Jaeger & Haas 2004: 10^-4.2 at 84).

    The network learns tanh(x - 1) one step ahead on `train` steps after the washout; from each of `trials` later
    places it hears 500 steps and then its own outputs. The root of the mean squared error at the last step is divided
    by the standard deviation of the series.
    """
    begin = washout + train + 500
    series = mackey_glass(begin + 500 + 250 * trials + ahead)
    squeezed = torch.tanh(series - 1)[:, None]
    network = EchoStateNetwork(1, hidden_size, seed=seed)
    network.fit(squeezed[: washout + train], squeezed[1 : washout + train + 1], washout)
    errors = []
    for trial in range(trials):
        place = begin + 500 + 250 * trial
        found = network.generate(squeezed[place - 500 : place], ahead)[-1, 0].clamp(-0.999999, 0.999999)
        errors.append(torch.atanh(found) + 1 - series[place + ahead - 1])
    return float(torch.stack(errors).square().mean().sqrt() / series.std(unbiased=False))
