"""Echo state networks: a reservoir that is never trained, and a readout by ridge regression in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from asr.nn.stepped import EchoState

RESERVOIR = {"spectral_radius": 0.8, "leak": 0.9, "density": 0.01}  # for a thousand units


class EchoStateNetwork:
    """A leaky reservoir (Jaeger 2001) with a linear map from its state, the input and a constant to the outputs.

    Everything is in double precision: the readout has to separate differences that are many orders of magnitude smaller
    than the states. input_size: features of a step; seed: of the reservoir's weights; reservoir: arguments of
    `EchoState` that differ from `RESERVOIR`.
    """

    def __init__(self, input_size: int, hidden_size: int = 1000, seed: int = 1, **reservoir: float) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layer = EchoState(input_size, hidden_size, **(RESERVOIR | reservoir))
        self.reservoir = layer.double()
        self.weights = torch.zeros(0, dtype=torch.float64)

    def states(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The readout's input (time, hidden_size + 1 + input_size) for inputs (time, input_size), and the state."""
        inputs = inputs.double()
        with torch.no_grad():
            outputs, (last,) = self.reservoir(inputs[None], None if state is None else (state,), None, None)
        ones = inputs.new_ones(len(inputs), 1)
        return torch.cat([outputs[0], ones, inputs], dim=1), last

    def fit(self, inputs: Tensor, targets: Tensor, washout: int = 100, ridge: float = 0.0) -> None:
        """Fit the readout to `targets` (time, outputs) for `inputs` (time, input_size), without the `washout`.

        Minimises |W s - y|^2 + ridge * |W|^2, by the singular values of the states rather than by the normal equations,
        which would lose half of the digits. Raises ValueError for fewer steps than the washout.
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
        """The continuation of `inputs` (time, input_size), each output taken as the next input: (steps, input_size).

        For a network that was fitted to predict the next step of its input.
        """
        outputs, state = self.predict(inputs)
        generated = [outputs[-1:]]
        while len(generated) < steps:
            output, state = self.predict(generated[-1], state)
            generated.append(output)
        return torch.cat(generated)
