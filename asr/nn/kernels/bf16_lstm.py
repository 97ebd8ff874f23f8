"""An LSTM layer for training in bfloat16 on the CPU.

oneDNN's own layer has a fast way forward in bfloat16, but its way back goes step by step through small products, whose
overhead at a handful of utterances costs more than single precision does. Here the layer's gates are computed anew for
all steps at once from what it gave out, and so are the gradients of weights and inputs: large products, in bfloat16.
What must go step by step, the gradient's way back in time, is a small product in single precision and a compiled pass.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.compiled import compile_cached

Floats = NDArray[np.float32]
MOST_ROWS = 16  # of a batch: with more, oneDNN's own way back is the faster one


def fits(inputs: Tensor) -> bool:
    """Whether the layer is for these inputs: a small batch, in training under autocast to bfloat16, on the CPU."""
    return (
        inputs.device.type == "cpu"
        and len(inputs) <= MOST_ROWS
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


def run_layer(inputs: Tensor, weights: list[Tensor]) -> Tensor:
    """One direction of one layer, from zeros: (batch, time, size) -> (batch, time, hidden), in bfloat16.

    weights: torch's weight_ih, weight_hh, bias_ih and bias_hh, in single precision. Gradients as of `torch.lstm` under
    autocast, to the precision of bfloat16 (half a percent).
    """
    outputs: Tensor = _Layer.apply(inputs, *weights)
    return outputs


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, *weights: Tensor) -> Tensor:
        read = inputs.transpose(0, 1).to(torch.bfloat16).contiguous()  # (time, batch, size)
        halves = [weight.to(torch.bfloat16) for weight in weights]
        zeros = read.new_zeros(1, read.shape[1], weights[1].shape[1])
        outputs, _, _ = torch.lstm(read, (zeros, zeros), halves, True, 1, 0.0, False, False, False)
        ctx.save_for_backward(read, outputs, weights[1], *halves)
        return outputs.transpose(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        read, outputs, recurrent, *halves = ctx.saved_tensors
        time, batch, size = read.shape
        hidden = outputs.shape[2]
        both = read.new_empty(time, batch, size + hidden)  # the input and the output before it, of each step
        both[:, :, :size], both[0, :, size:], both[1:, :, size:] = read, 0, outputs[:-1]
        rows = both.view(time * batch, size + hidden)
        sums = torch.addmm(halves[2] + halves[3], rows, torch.cat(halves[:2], dim=1).t())
        gates = _gates(sums.float()).view(time, batch, 4 * hidden)
        cells = outputs.new_zeros(time + 1, batch, hidden, dtype=torch.float32)
        _passes()[0](gates.numpy(), cells.numpy())
        upstream = grads[0].transpose(0, 1).float().contiguous()
        back = _through_time(upstream, gates, cells, recurrent.detach())
        flat = back.view(time * batch, 4 * hidden)
        half = flat.to(torch.bfloat16)
        to_inputs = (half @ halves[0]).view(time, batch, size).transpose(0, 1) if ctx.needs_input_grad[0] else None
        to_weights = (half.t() @ rows).float()
        bias = flat.sum(dim=0)
        return to_inputs, to_weights[:, :size], to_weights[:, size:], bias, bias


def _gates(sums: Tensor) -> Tensor:
    """Input, forget, candidate and output gate, in place of what goes into them (rows, 4 * hidden)."""
    hidden = sums.shape[1] // 4
    sums[:, : 2 * hidden].sigmoid_()
    sums[:, 2 * hidden : 3 * hidden].tanh_()
    sums[:, 3 * hidden :].sigmoid_()
    return sums


def _through_time(upstream: Tensor, gates: Tensor, cells: Tensor, recurrent: Tensor) -> Tensor:
    """The loss's gradient by what goes into the gates (time, batch, 4 * hidden), from that by the outputs."""
    time, batch, hidden = upstream.shape
    back = torch.empty_like(gates)
    of_output, of_cell = upstream.new_zeros(batch, hidden), upstream.new_zeros(batch, hidden)
    squashed = cells[1:].tanh()
    arrays = [tensor.numpy() for tensor in (upstream, gates, cells, squashed, of_output, of_cell, back)]
    step_back = _passes()[1]
    for step, sums in zip(reversed(range(time)), reversed(back.unbind()), strict=True):
        step_back(step, *arrays)
        torch.mm(sums, recurrent, out=of_output)
    return back


@cache
def _passes() -> tuple[Any, Any]:
    """(cells, step back), compiled on first use."""
    wrap = compile_cached(fastmath={"contract", "nsz", "reassoc"}, _nrt=False)
    return wrap(_run_cells), wrap(_step_back)


def _run_cells(gates: Floats, cells: Floats) -> None:
    """Fill cells (time + 1, batch, hidden), whose first is zero, from gates (time, batch, 4 * hidden)."""
    hidden = cells.shape[2]
    for step in range(gates.shape[0]):
        for row in range(gates.shape[1]):
            gate, before, after = gates[step, row], cells[step, row], cells[step + 1, row]
            for unit in range(hidden):
                entered = gate[unit] * gate[2 * hidden + unit]
                after[unit] = gate[hidden + unit] * before[unit] + entered


def _step_back(
    step: int,
    upstream: Floats,
    gates: Floats,
    cells: Floats,
    squashed: Floats,
    of_output: Floats,
    of_cell: Floats,
    back: Floats,
) -> None:
    """One step of `_through_time`: of_output and of_cell (batch, hidden) come from the step after this one."""
    one = np.float32(1)
    hidden = cells.shape[2]
    for row in range(gates.shape[1]):
        gate, before, now = gates[step, row], cells[step, row], squashed[step, row]
        above, later, carried, found = upstream[step, row], of_output[row], of_cell[row], back[step, row]
        for unit in range(hidden):
            entry, forget = gate[unit], gate[hidden + unit]
            candidate, leave = gate[2 * hidden + unit], gate[3 * hidden + unit]
            output = above[unit] + later[unit]
            cell = carried[unit] + output * leave * (one - now[unit] * now[unit])
            carried[unit] = cell * forget
            found[unit] = cell * candidate * entry * (one - entry)
            found[hidden + unit] = cell * before[unit] * forget * (one - forget)
            found[2 * hidden + unit] = cell * entry * (one - candidate * candidate)
            found[3 * hidden + unit] = output * now[unit] * leave * (one - leave)
