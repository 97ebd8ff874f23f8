"""Both directions of an LSTM layer on a GPU in one kernel for the forward and one for the backward pass, in Triton.

torch launches several small kernels each step, and launching them takes longer than running them. Here one program
takes sixteen sequences of one direction through all their steps, each within its own length, and reads the recurrent
weights from the cache at each step. Products take 16-bit halves (as precise as TF32, torch's default for LSTMs on a
GPU) and sum in 32 bits; gradients are scaled by their largest before they become halves. `asr.nn.kernels` has the
switch for those who need single precision.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS, CHUNK = 16, 64  # sequences of one program, units of one product
WARPS, STAGES = 8, 3
# The kernels below are long because a step's values stay in registers from its sums to its stores.
MOST_UNITS = 256  # with more, the weights that a program reads each step exceed the cache


# One program for a layer each way, which Triton compiles as a whole: longer than functions are elsewhere.
@triton.jit
def _forward(
    gates,  # (batch, time, directions, 4, hidden): the inputs' part of the sums; becomes the gates' values
    weights,  # (directions, 4, hidden before, hidden), halves
    outputs,  # (batch, time, directions, hidden), zeros
    cells,  # like outputs
    carried,  # (directions, 2, batch, hidden), zeros, halves: h of the step before
    lengths,
    batch,
    time,
    padded,
    hidden: tl.constexpr,
    directions: tl.constexpr,
    rows: tl.constexpr,
    chunk: tl.constexpr,
):
    direction = tl.program_id(0)
    row = tl.program_id(1) * rows + tl.arange(0, rows)
    length = tl.load(lengths + row, mask=row < batch, other=0)
    longest = tl.max(length, axis=0)
    across = tl.arange(0, chunk)
    weights += direction * 4 * hidden * hidden
    square = hidden * hidden
    step = 0 * longest
    while step < longest:
        alive = (step < length)[:, None]
        at = tl.where(direction == 0, step + 0 * length, length - 1 - step)
        before = tl.where(direction == 0, at - 1, at + 1)
        place = ((row * time + at) * directions + direction) * hidden
        place_before = ((row * time + before) * directions + direction) * hidden
        now = carried + (direction * 2 + step % 2) * padded * hidden + row[:, None] * hidden
        then = carried + (direction * 2 + (step + 1) % 2) * padded * hidden + row[:, None] * hidden
        for unit in range(0, hidden, chunk):
            columns = unit + across
            here = gates + 4 * place[:, None] + columns[None, :]
            in_i = tl.load(here, mask=alive, other=0.0)
            in_f = tl.load(here + hidden, mask=alive, other=0.0)
            in_g = tl.load(here + 2 * hidden, mask=alive, other=0.0)
            in_o = tl.load(here + 3 * hidden, mask=alive, other=0.0)
            c = tl.load(cells + place_before[:, None] + columns[None, :], mask=alive & (step > 0), other=0.0)
            sum_i = tl.zeros([rows, chunk], tl.float32)
            sum_f = tl.zeros([rows, chunk], tl.float32)
            sum_g = tl.zeros([rows, chunk], tl.float32)
            sum_o = tl.zeros([rows, chunk], tl.float32)
            for inner in range(0, hidden, chunk):
                h = tl.load(now + (inner + across)[None, :])
                table = weights + (inner + across)[:, None] * hidden + columns[None, :]
                sum_i = tl.dot(h, tl.load(table), sum_i)
                sum_f = tl.dot(h, tl.load(table + square), sum_f)
                sum_g = tl.dot(h, tl.load(table + 2 * square), sum_g)
                sum_o = tl.dot(h, tl.load(table + 3 * square), sum_o)
            i = tl.sigmoid(sum_i + in_i)
            f = tl.sigmoid(sum_f + in_f)
            g = 2.0 * tl.sigmoid(2.0 * (sum_g + in_g)) - 1.0
            o = tl.sigmoid(sum_o + in_o)
            c = f * c + i * g
            out = o * (2.0 * tl.sigmoid(2.0 * c) - 1.0)
            tl.store(here, i, mask=alive)
            tl.store(here + hidden, f, mask=alive)
            tl.store(here + 2 * hidden, g, mask=alive)
            tl.store(here + 3 * hidden, o, mask=alive)
            tl.store(cells + place[:, None] + columns[None, :], c, mask=alive)
            tl.store(outputs + place[:, None] + columns[None, :], out, mask=alive)
            tl.store(then + columns[None, :], out.to(tl.float16), mask=alive)
        step += 1
        tl.debug_barrier()  # the next step reads what other threads have written


@triton.jit
def _backward(
    gates,  # the gates' values; becomes the gradients of what went into them
    weights,  # (directions, 4, hidden, hidden before), halves
    gradients,  # (batch, time, directions, hidden) of the outputs
    cells,
    halves,  # (directions, batch, 4, hidden), zeros: gradients of a step's gates
    carried,  # (directions, 2, batch, hidden), zeros: gradients of h and c of the step before
    lengths,
    batch,
    time,
    padded,
    hidden: tl.constexpr,
    directions: tl.constexpr,
    rows: tl.constexpr,
    chunk: tl.constexpr,
):
    direction = tl.program_id(0)
    row = tl.program_id(1) * rows + tl.arange(0, rows)
    length = tl.load(lengths + row, mask=row < batch, other=0)
    across = tl.arange(0, chunk)
    weights += direction * 4 * hidden * hidden
    dh_of = carried + direction * 2 * padded * hidden + row[:, None] * hidden
    dc_of = dh_of + padded * hidden
    half_of = halves + (direction * padded + row[:, None]) * 4 * hidden
    back = 0 * tl.max(length, axis=0)
    while back < time:
        step = time - 1 - back
        alive = (step < length)[:, None]
        at = tl.where((direction == 0) | (step >= length), step + 0 * length, length - 1 - step)
        before = tl.where(direction == 0, at - 1, at + 1)
        place = ((row * time + at) * directions + direction) * hidden
        place_before = ((row * time + before) * directions + direction) * hidden
        for unit in range(0, hidden, 2 * chunk):
            columns = unit + tl.arange(0, 2 * chunk)
            known = alive & (columns < hidden)[None, :]
            there = (row < batch)[:, None] & (columns < hidden)[None, :]
            own = (columns < hidden)[None, :] & (row >= 0)[:, None]
            here = gates + 4 * place[:, None] + columns[None, :]
            i = tl.load(here, mask=known, other=0.0)
            f = tl.load(here + hidden, mask=known, other=0.0)
            g = tl.load(here + 2 * hidden, mask=known, other=0.0)
            o = tl.load(here + 3 * hidden, mask=known, other=0.0)
            c = tl.load(cells + place[:, None] + columns[None, :], mask=known, other=0.0)
            old = tl.load(cells + place_before[:, None] + columns[None, :], mask=known & (step > 0), other=0.0)
            dh = tl.load(gradients + place[:, None] + columns[None, :], mask=known, other=0.0)
            dh += tl.load(dh_of + columns[None, :], mask=own, other=0.0)
            tanh = 2.0 * tl.sigmoid(2.0 * c) - 1.0
            dc = tl.load(dc_of + columns[None, :], mask=own, other=0.0) + dh * o * (1.0 - tanh * tanh)
            d_i = dc * g * i * (1.0 - i)
            d_f = dc * old * f * (1.0 - f)
            d_g = dc * i * (1.0 - g * g)
            d_o = dh * tanh * o * (1.0 - o)
            tl.store(dc_of + columns[None, :], dc * f, mask=own)
            tl.store(here, d_i, mask=there)  # beyond a length: zeros
            tl.store(here + hidden, d_f, mask=there)
            tl.store(here + 2 * hidden, d_g, mask=there)
            tl.store(here + 3 * hidden, d_o, mask=there)
            tl.store(half_of + columns[None, :], d_i.to(tl.float16), mask=own)
            tl.store(half_of + hidden + columns[None, :], d_f.to(tl.float16), mask=own)
            tl.store(half_of + 2 * hidden + columns[None, :], d_g.to(tl.float16), mask=own)
            tl.store(half_of + 3 * hidden + columns[None, :], d_o.to(tl.float16), mask=own)
        tl.debug_barrier()
        for unit in range(0, hidden, chunk):
            columns = unit + across
            dh = tl.zeros([rows, chunk], tl.float32)
            for inner in range(0, 4 * hidden, 4 * chunk):
                terms = inner + tl.arange(0, 4 * chunk)
                d = tl.load(half_of + terms[None, :])
                table = weights + terms[:, None] * hidden + columns[None, :]
                dh = tl.dot(d, tl.load(table), dh)
            tl.store(dh_of + columns[None, :], dh)
        back += 1
        tl.debug_barrier()


def fits(inputs: Tensor, weight_hh: Tensor) -> bool:
    """Whether the kernels suit a layer: training on a GPU, single precision, few units, a multiple of `CHUNK`."""
    batch, time, _ = inputs.shape
    hidden = weight_hh.shape[1]
    return (
        inputs.is_cuda
        and torch.is_grad_enabled()
        and weight_hh.dtype == torch.float32
        and hidden % CHUNK == 0
        and hidden <= MOST_UNITS
        and batch * time * 8 * hidden < 2**31  # places among the gates of two directions are 32-bit numbers
    )


def run_layer(inputs: Tensor, lengths: Tensor, weights: Sequence[Sequence[Tensor]]) -> Tensor:
    """Outputs (batch, time, directions * hidden) of a layer from zero states, zero beyond each length.

    inputs: (batch, time, size); lengths: (batch,) in steps; weights: for each direction weight_ih, weight_hh, bias_ih
    and bias_hh in torch's layout, the second direction reading each sequence from its end; all on one GPU.
    """
    ih = torch.cat([direction[0] for direction in weights])
    bias = torch.cat([direction[2] + direction[3] for direction in weights])
    hh = torch.stack([direction[1] for direction in weights])
    with torch.autocast(inputs.device.type, enabled=False):
        gates = torch.nn.functional.linear(inputs.float(), ih, bias)
        apply: Callable[..., Tensor] = _Layer.apply
        return apply(gates, hh, lengths.to(inputs.device))


class _Layer(torch.autograd.Function):
    """From the inputs' part of the gates (batch, time, directions * 4 * hidden) to the outputs."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, hh: Tensor, lengths: Tensor) -> Tensor:
        directions, _, hidden = hh.shape
        batch, time, _ = gates.shape
        values = gates.contiguous().clone()
        outputs = gates.new_zeros(batch, time, directions * hidden)
        cells = torch.empty_like(outputs)
        padded = -(-batch // ROWS) * ROWS
        carried = torch.zeros(directions, 2, padded, hidden, dtype=torch.float16, device=gates.device)
        table = hh.view(directions, 4, hidden, hidden).transpose(2, 3).to(torch.float16).contiguous()
        _forward[(directions, padded // ROWS)](
            values, table, outputs, cells, carried, lengths, batch, time, padded,
            hidden, directions, ROWS, CHUNK, num_warps=WARPS, num_stages=STAGES,
        )  # fmt: skip
        ctx.save_for_backward(values, hh, outputs, cells, lengths)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        values, hh, outputs, cells, lengths = ctx.saved_tensors
        directions, _, hidden = hh.shape
        batch, time, _ = values.shape
        padded = -(-batch // ROWS) * ROWS
        scale = gradient.abs().amax().clamp(min=1e-30)
        halves = torch.zeros(directions, padded, 4 * hidden, dtype=torch.float16, device=values.device)
        carried = values.new_zeros(directions, 2, padded, hidden)
        d_gates = values.clone()
        _backward[(directions, padded // ROWS)](
            d_gates, hh.to(torch.float16).contiguous(), (gradient / scale).contiguous(), cells, halves, carried,
            lengths, batch, time, padded, hidden, directions, ROWS, CHUNK, num_warps=WARPS, num_stages=STAGES,
        )  # fmt: skip
        d_gates *= scale
        before = outputs.view(batch, time, directions, hidden)
        shifted = torch.zeros_like(before)  # h of the step before, in the direction's own order
        shifted[:, 1:, 0] = before[:, :-1, 0]
        if directions == 2:
            shifted[:, :-1, 1] = before[:, 1:, 1]
        parts = d_gates.view(batch * time, directions, 4 * hidden)
        d_hh = torch.einsum("tdg,tdh->dgh", parts, shifted.view(batch * time, directions, hidden))
        return d_gates, d_hh, None
