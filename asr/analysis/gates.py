"""What goes on inside recurrent layers: gates over time, and how far gradients reach back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.nn.recurrent import Recurrent

GATES = ("input", "forget", "candidate", "output", "cell", "hidden")


def gate_activity(stack: Recurrent, inputs: Tensor, layer: int, backward: bool = False) -> dict[str, Tensor]:
    """Gates, candidate, cell and output of one direction of one layer of an LSTM, in evaluation mode.

    inputs: (time, input_size). Each of `GATES` is (time, hidden_size), in the order of the input's time also where the
    layer reads backward. The equations are `cells.lstm_step`'s.
    Raises ValueError for another kind of stack, or a layer or direction that it has not.
    """
    if stack.kind != "lstm" or not isinstance(stack.forwards[0], nn.LSTM):
        raise ValueError(f"gates can be shown of kind 'lstm', not of '{stack.kind}'")
    if not 0 <= layer < stack.num_layers or (backward and not stack.bidirectional):
        raise ValueError(
            f"the stack has {stack.num_layers} layers, {'two directions' if stack.bidirectional else 'one'}"
        )
    stack.eval()
    with torch.no_grad():
        hidden = inputs[None]
        for below in range(layer):
            parts = [
                stack._run(module, hidden, None, None, direction == 1, False)[0]
                for direction, module in enumerate(stack._directions(below))
            ]
            hidden = torch.cat(parts, dim=-1)
        if backward:
            hidden = hidden.flip(1)
        module = (stack.backwards if backward else stack.forwards)[layer]
        found = _lstm_activity(module, hidden[0])
        if backward:
            found = {name: value.flip(0) for name, value in found.items()}
    return found


def _lstm_activity(module: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    weights = dict(module.named_parameters())
    drive = inputs @ weights["weight_ih_l0"].T + weights["bias_ih_l0"] + weights["bias_hh_l0"]
    size = drive.shape[1] // 4
    hidden, cell = inputs.new_zeros(size), inputs.new_zeros(size)
    rows: list[tuple[Tensor, ...]] = []
    for step in drive:
        entry, forget, candidate, out = (step + weights["weight_hh_l0"] @ hidden).split(size)
        entry, forget, out = entry.sigmoid(), forget.sigmoid(), out.sigmoid()
        candidate = candidate.tanh()
        cell = forget * cell + entry * candidate
        hidden = out * cell.tanh()
        rows.append((entry, forget, candidate, out, cell, hidden))
    return {name: torch.stack(values) for name, values in zip(GATES, zip(*rows, strict=True), strict=True)}


def gradient_reach(kind: str, steps: int = 100, hidden_size: int = 64, batch: int = 32, seed: int = 1) -> Tensor:
    """How strongly the last output depends on the input `distance` steps before: (steps,), 1 at distance 0.

    The norm of the gradient of a random projection of the last output with respect to each input, mean over a batch of
    random sequences, of a network as it is before training (the vanishing gradient: Hochreiter 1991; Bengio et al.
    1994).
    """
    torch.manual_seed(seed)
    stack = Recurrent(kind, hidden_size, hidden_size)
    inputs = torch.randn(batch, steps, hidden_size, requires_grad=True)
    outputs, _ = stack(inputs, return_states=False)
    (outputs[:, -1] @ torch.randn(outputs.shape[2])).sum().backward()
    assert inputs.grad is not None
    norms = inputs.grad.norm(dim=2).mean(dim=0).flip(0)
    return norms / norms[0]
