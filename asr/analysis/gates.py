"""The gates of LSTM layers over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.nn import Recurrent

GATES = ("input", "forget", "candidate", "output", "cell", "hidden")


def gate_activity(stack: Recurrent, inputs: Tensor, layer: int, backward: bool = False) -> dict[str, Tensor]:
    """Gates, candidate, cell and output of one direction of one layer of an LSTM, in evaluation mode.

    inputs: (time, input_size). Each of `GATES` is (time, hidden_size), in the order of the input's time, also for the
    backward direction. The equations are those of `cells.lstm_step`.
    Raises ValueError for another kind of stack, or a layer or direction that the stack does not have.
    """
    if stack.kind != "lstm":
        raise ValueError(f"gates can be shown of kind 'lstm', not of '{stack.kind}'")
    if not 0 <= layer < stack.num_layers or (backward and not stack.bidirectional):
        layers = "a single layer" if stack.num_layers == 1 else f"{stack.num_layers} layers"
        raise ValueError(f"the stack has {layers} of {'two directions' if stack.bidirectional else 'one direction'}")
    stack.eval()
    with torch.no_grad():
        hidden = stack.run_layers(inputs, layer)
        module = (stack.backwards if backward else stack.forwards)[layer]
        activity = _lstm_activity(module, hidden.flip(0) if backward else hidden)
    return {name: value.flip(0) for name, value in activity.items()} if backward else activity


def _lstm_activity(module: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """`GATES` of one of torch's layers, from a zero state."""
    weights = dict(module.named_parameters())
    drive = inputs @ weights["weight_ih_l0"].T + weights["bias_ih_l0"] + weights["bias_hh_l0"]
    size = drive.shape[1] // 4
    hidden, cell = inputs.new_zeros(size), inputs.new_zeros(size)
    rows: list[tuple[Tensor, ...]] = []
    for step in drive:
        entry, forget, candidate, out = torch.split(step + weights["weight_hh_l0"] @ hidden, size)
        entry, forget, out = entry.sigmoid(), forget.sigmoid(), out.sigmoid()
        candidate = candidate.tanh()
        cell = forget * cell + entry * candidate
        hidden = out * cell.tanh()
        rows.append((entry, forget, candidate, out, cell, hidden))
    return {name: torch.stack(values) for name, values in zip(GATES, zip(*rows, strict=True), strict=True)}
