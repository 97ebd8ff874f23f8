"""Layers of the cells that torch has no fused layer for: one direction, one step at a time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear

States = tuple[Tensor, ...]

GATES = {"lstm-article": 3, "lstm-peephole": 4, "lstm-coupled": 3, "lstm-layernorm": 4, "esn": 1}


class SteppedLayer(nn.Module):
    """One direction of one layer; each kind defines `step`.

    The inputs' part of the gates is computed for all steps at once; `step` takes it (batch, gates * hidden) with the
    state, and returns the new state, whose first tensor is the output.
    """

    num_states = 2

    def __init__(self, kind: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        width = GATES[kind] * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(width, input_size))
        self.weight_hh = nn.Parameter(torch.empty(width, hidden_size))
        self.bias = nn.Parameter(torch.empty(width))
        self.reset()

    def reset(self) -> None:
        """Draw the weights from the distribution of torch's recurrent layers."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def project(self, inputs: Tensor) -> Tensor:
        """The inputs' part of the gates (batch, time, gates * hidden), for inputs (batch, time, input)."""
        return linear(inputs, self.weight_ih, self.bias)

    def step(self, projected: Tensor, state: States, weight_hh: Tensor) -> States:
        """The state after one step."""
        raise NotImplementedError

    def forward(
        self,
        inputs: Tensor,
        state: States | None = None,
        lengths: Tensor | None = None,
        weight_hh: Tensor | None = None,
    ) -> tuple[Tensor, States]:
        """Outputs (batch, time, hidden) for inputs (batch, time, input), and the states after the last step.

        lengths: if given, each row's states are those after its own last step. weight_hh: used instead of the layer's.
        """
        if state is None:
            state = tuple(inputs.new_zeros(len(inputs), self.hidden_size) for _ in range(self.num_states))
        recurrent = self.weight_hh if weight_hh is None else weight_hh
        outputs = []
        for time, projected in enumerate(self.project(inputs).unbind(1)):
            after = self.step(projected, state, recurrent)
            if lengths is not None:
                going_on = (time < lengths)[:, None]
                after = tuple(torch.where(going_on, new, old) for old, new in zip(state, after, strict=True))
            state = after
            outputs.append(state[0])
        return torch.stack(outputs, dim=1) if outputs else inputs.new_zeros(len(inputs), 0, self.hidden_size), state


class ArticleLstm(SteppedLayer):
    """`cells.article_lstm_step`; gates i, f, candidate, and the output gate's own weights."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__("lstm-article", input_size, hidden_size)
        self.output_weight = nn.Parameter(torch.empty(hidden_size, 2 * hidden_size))  # of [tanh(c'), h]
        self.output_bias = nn.Parameter(torch.empty(hidden_size))
        self.reset()

    def step(self, projected: Tensor, state: States, weight_hh: Tensor) -> States:
        hidden, cell = state
        entry, forget, candidate = torch.addmm(projected, hidden, weight_hh.t()).chunk(3, dim=1)
        cell = torch.sigmoid(-forget) * cell + torch.sigmoid(entry) * torch.tanh(candidate)
        seen = torch.tanh(cell)
        output = torch.addmm(self.output_bias, torch.cat([seen, hidden], dim=1), self.output_weight.t())
        return torch.sigmoid(output) * seen, cell


class PeepholeLstm(SteppedLayer):
    """`cells.peephole_lstm_step`; gates i, f, candidate, o."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__("lstm-peephole", input_size, hidden_size)
        self.peepholes = nn.Parameter(torch.empty(3, hidden_size))  # of i, f, o
        self.reset()

    def step(self, projected: Tensor, state: States, weight_hh: Tensor) -> States:
        hidden, cell = state
        entry, forget, candidate, output = torch.addmm(projected, hidden, weight_hh.t()).chunk(4, dim=1)
        entry, forget = entry + self.peepholes[0] * cell, forget + self.peepholes[1] * cell
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(entry) * torch.tanh(candidate)
        return torch.sigmoid(output + self.peepholes[2] * cell) * torch.tanh(cell), cell


class CoupledLstm(SteppedLayer):
    """`cells.coupled_lstm_step`; gates i, candidate, o."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__("lstm-coupled", input_size, hidden_size)

    def step(self, projected: Tensor, state: States, weight_hh: Tensor) -> States:
        gate, candidate, output = torch.addmm(projected, state[0], weight_hh.t()).chunk(3, dim=1)
        cell = torch.lerp(state[1], torch.tanh(candidate), torch.sigmoid(gate))
        return torch.sigmoid(output) * torch.tanh(cell), cell


class LayerNormLstm(SteppedLayer):
    """`cells.layernorm_lstm_step`; gates i, f, candidate, o."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__("lstm-layernorm", input_size, hidden_size)
        self.input_gain = nn.Parameter(torch.ones(4 * hidden_size))
        self.hidden_gain = nn.Parameter(torch.ones(4 * hidden_size))
        self.cell_gain = nn.Parameter(torch.ones(hidden_size))
        self.cell_shift = nn.Parameter(torch.zeros(hidden_size))

    def project(self, inputs: Tensor) -> Tensor:
        return layer_norm(linear(inputs, self.weight_ih), self.input_gain.shape, self.input_gain, self.bias)

    def step(self, projected: Tensor, state: States, weight_hh: Tensor) -> States:
        gates = projected + layer_norm(state[0] @ weight_hh.t(), self.hidden_gain.shape, self.hidden_gain)
        entry, forget, candidate, output = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget) * state[1] + torch.sigmoid(entry) * torch.tanh(candidate)
        seen = torch.tanh(layer_norm(cell, self.cell_gain.shape, self.cell_gain, self.cell_shift))
        return torch.sigmoid(output) * seen, cell


class EchoState(SteppedLayer):
    """`cells.esn_step`: a reservoir that is drawn once and never trained (its weights are buffers).

    spectral_radius: largest absolute eigenvalue of the recurrent weights, a share `density` of which is not zero.
    """

    num_states = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        spectral_radius: float = 0.9,
        leak: float = 1.0,
        density: float = 0.1,
        input_scale: float = 1.0,
        bias_scale: float = 0.2,
    ) -> None:
        super().__init__("esn", input_size, hidden_size)
        self.leak = leak
        weight_ih, bias = (nn.init.uniform_(p.detach().clone(), -1, 1) for p in (self.weight_ih, self.bias))
        weight_hh = torch.where(
            torch.rand(hidden_size, hidden_size) < density, torch.randn(hidden_size, hidden_size), 0
        )
        radius = torch.linalg.eigvals(weight_hh.double()).abs().max().clamp(min=1e-9)
        fixed = {
            "weight_ih": input_scale * weight_ih,
            "weight_hh": weight_hh * (spectral_radius / radius).to(weight_hh.dtype),
            "bias": bias_scale * bias,
        }
        for name, value in fixed.items():
            delattr(self, name)
            self.register_buffer(name, value)

    def step(self, projected: Tensor, state: States, weight_hh: Tensor) -> States:
        return (torch.lerp(state[0], torch.tanh(torch.addmm(projected, state[0], weight_hh.t())), self.leak),)
