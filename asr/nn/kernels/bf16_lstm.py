"""An LSTM layer for training in bfloat16 on the CPU.

oneDNN's forward pass is fast in bfloat16, but its backward pass goes step by step through small products, which with a
handful of utterances take longer than single precision does. Here the backward pass recomputes the gates of all steps
at once from the layer's outputs, and computes the gradients of weights and inputs in large products, all in bfloat16.
Only the recursion backward in time goes step by step: a small product in single precision and a compiled loop.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.compiled import compile_cached

Floats = NDArray[np.float32]
MOST_ROWS = 16  # of a batch: with more, oneDNN's backward pass is faster


def fits(inputs: Tensor) -> bool:
    """Whether the layer suits these inputs: a small batch on the CPU, in training under autocast to bfloat16."""
    return (
        inputs.device.type == "cpu"
        and len(inputs) <= MOST_ROWS
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


def run_layer(inputs: Tensor, weights: list[Tensor]) -> Tensor:
    """The outputs (batch, time, hidden) of one direction of a layer from zero states, in bfloat16.

    inputs: (batch, time, size); weights: torch's weight_ih, weight_hh, bias_ih and bias_hh, in single precision.
    Gradients equal those of `torch.lstm` under autocast, to the precision of bfloat16 (half a percent).
    """
    apply: Callable[..., Tensor] = _Layer.apply
    return apply(inputs, *weights)


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, *weights: Tensor) -> Tensor:
        read = inputs.transpose(0, 1).to(torch.bfloat16).contiguous()  # (time, batch, size)
        halves = [weight.to(torch.bfloat16) for weight in weights]
        zeros = read.new_zeros(1, read.shape[1], weights[1].shape[1])
        outputs, _, _ = torch.lstm(
            read, (zeros, zeros), halves, has_biases=True, num_layers=1, dropout=0.0, train=False, bidirectional=False,
            batch_first=False,
        )  # fmt: skip
        ctx.save_for_backward(read, outputs, weights[1], *halves)
        return outputs.transpose(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        read, outputs, recurrent, *halves = ctx.saved_tensors
        time, batch, size = read.shape
        hidden = outputs.shape[2]
        both = read.new_empty(time, batch, size + hidden)  # of each step its input and the output before it
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
    """Input, forget, candidate and output gate, computed in place of their sums (rows, 4 * hidden)."""
    hidden = sums.shape[1] // 4
    sums[:, : 2 * hidden].sigmoid_()
    sums[:, 2 * hidden : 3 * hidden].tanh_()
    sums[:, 3 * hidden :].sigmoid_()
    return sums


def _through_time(upstream: Tensor, gates: Tensor, cells: Tensor, recurrent: Tensor) -> Tensor:
    """The gradients of the gates' sums (time, batch, 4 * hidden), from the gradients `upstream` of the outputs."""
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
    """`_run_cells` and `_step_back`, compiled on first use."""
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
    """One step of `_through_time`; of_output and of_cell (batch, hidden) are gradients from the step after this one."""
    one = np.float32(1)
    hidden = cells.shape[2]
    for row in range(gates.shape[1]):
        gate, before, now = gates[step, row], cells[step, row], squashed[step, row]
        above, later, carried, sums = upstream[step, row], of_output[row], of_cell[row], back[step, row]
        for unit in range(hidden):
            entry, forget = gate[unit], gate[hidden + unit]
            candidate, leave = gate[2 * hidden + unit], gate[3 * hidden + unit]
            output = above[unit] + later[unit]
            cell = carried[unit] + output * leave * (one - now[unit] * now[unit])
            carried[unit] = cell * forget
            sums[unit] = cell * candidate * entry * (one - entry)
            sums[hidden + unit] = cell * before[unit] * forget * (one - forget)
            sums[2 * hidden + unit] = cell * entry * (one - candidate * candidate)
            sums[3 * hidden + unit] = output * now[unit] * leave * (one - leave)
