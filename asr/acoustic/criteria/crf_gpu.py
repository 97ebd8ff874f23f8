"""CTC-CRF's sums over all paths on a GPU: one program an utterance walks through its frames, in Triton.

The same sums as `crf._Passes`, which needs a dozen kernels a frame, and as `crf_passes` on the CPU. States lie in
memory as (utterance, frame, blank or token last, last, before), `size` wide in the last two; those of a frame are left
as they come and the next frame's probabilities divided by their sum, so that each frame is one pass.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 2**15  # entries of the language model taken at once: what the registers hold
WARPS = 8


@triton.jit
def _forward(
    probs,  # (frames, batch, tokens)
    lengths,  # (batch,)
    others,  # (last, before, next), rows of `size`
    repeats,  # (last, before), rows of `size`
    ends,  # likewise
    states,  # (batch, frames + 1, 2, size, size); the first frame's are given
    log_sums,  # (batch,)
    frames,
    batch,
    tokens: tl.constexpr,
    size: tl.constexpr,
    rows: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    length = tl.load(lengths + row)
    square = size * size
    place = states + row * (frames + 1) * 2 * square
    columns = tl.arange(0, size)
    known = columns < tokens
    total = tl.full([], 1.0, tl.float32)
    log_sum = tl.full([], 0.0, tl.float32)
    frame = 0 * length
    while frame < length:
        y = tl.load(probs + (frame * batch + row) * tokens + columns, mask=known, other=0.0) / total
        at_blank = tl.load(probs + (frame * batch + row) * tokens) / total
        log_sum += tl.log(total)
        sums = tl.zeros([rows, size], tl.float32)
        for first in range(0, tokens, rows):
            last = first + tl.arange(0, rows)
            inside = (last < tokens)[:, None] & known[None, :]
            line = last[:, None] * size + columns[None, :]
            column = columns[None, :] * size + last[:, None]  # of (next, last), seen as (last, next)
            blank = tl.load(place + line, mask=inside, other=0.0)
            both = blank + tl.load(place + square + line, mask=inside, other=0.0)
            table = tl.load(
                others + last[:, None, None] * square + columns[None, :, None] * size + columns[None, None, :],
                mask=inside[:, :, None],
                other=0.0,
            )
            moved = tl.sum(both[:, :, None] * table, axis=1)
            again = tl.sum(blank * tl.load(repeats + line, mask=inside, other=0.0), axis=1)
            moved += tl.where(columns[None, :] == last[:, None], again[:, None], 0.0)
            token = (moved + tl.load(place + square + column, mask=inside, other=0.0)) * y[None, :]
            blank = both * at_blank
            tl.store(place + 2 * square + line, blank, mask=inside)
            tl.store(place + 3 * square + column, token, mask=inside)
            sums += token + blank
        total = tl.sum(tl.sum(sums, axis=1), axis=0)
        place += 2 * square
        frame += 1
        tl.debug_barrier()  # the next frame reads what other threads have written
    ending = tl.zeros([rows, size], tl.float32)
    for first in range(0, tokens, rows):
        last = first + tl.arange(0, rows)
        inside = (last < tokens)[:, None] & known[None, :]
        line = last[:, None] * size + columns[None, :]
        both = tl.load(place + line, mask=inside, other=0.0) + tl.load(place + square + line, mask=inside, other=0.0)
        ending += both * tl.load(ends + line, mask=inside, other=0.0)
    tl.store(log_sums + row, log_sum + tl.log(tl.sum(tl.sum(ending, axis=1), axis=0)))


# One kernel, which Triton compiles as a whole: a line longer than functions are elsewhere.
@triton.jit
def _backward(
    probs,
    lengths,
    others,
    repeats,
    states,  # as `_forward` left them
    futures,  # (batch, 2, 2, size, size): the first of two holds what the end gives, blank and token last
    found,  # (frames, batch, tokens): how often each token, in no scale
    blanks,  # (frames, batch): and the blank
    frames,
    batch,
    tokens: tl.constexpr,
    size: tl.constexpr,
    rows: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    length = tl.load(lengths + row)
    square = size * size
    place = states + (row * (frames + 1) + length) * 2 * square
    here = futures + row * 4 * square
    columns = tl.arange(0, size)
    known = columns < tokens
    largest = tl.full([], 1.0, tl.float32)
    back = 0 * length
    while back < length:
        frame = length - 1 - back
        now = here + (back % 2) * 2 * square
        earlier = here + ((back + 1) % 2) * 2 * square
        y = tl.load(probs + (frame * batch + row) * tokens + columns, mask=known, other=0.0) / largest
        at_blank = tl.load(probs + (frame * batch + row) * tokens) / largest
        blank_shares = tl.zeros([rows, size], tl.float32)
        largest_of = tl.zeros([rows, size], tl.float32)
        for first in range(0, tokens, rows):
            last = first + tl.arange(0, rows)
            inside = (last < tokens)[:, None] & known[None, :]
            line = last[:, None] * size + columns[None, :]
            column = columns[None, :] * size + last[:, None]
            blank = tl.load(now + line, mask=inside, other=0.0)
            token = tl.load(now + square + line, mask=inside, other=0.0)
            blank_shares += tl.load(place + line, mask=inside, other=0.0) * blank
            shares = tl.sum(tl.load(place + square + line, mask=inside, other=0.0) * token, axis=1)
            tl.store(found + (frame * batch + row) * tokens + last, shares, mask=last < tokens)
            at_last = tl.load(probs + (frame * batch + row) * tokens + last, mask=last < tokens, other=0.0) / largest
            stay = token * at_last[:, None]
            step = tl.load(now + square + column, mask=inside, other=0.0) * y[None, :]
            table = tl.load(
                others + last[:, None, None] * square + columns[None, :, None] * size + columns[None, None, :],
                mask=inside[:, :, None],
                other=0.0,
            )
            onward = tl.sum(step[:, None, :] * table, axis=2) + blank * at_blank
            same = tl.sum(tl.where(columns[None, :] == last[:, None], step, 0.0), axis=1)
            again = tl.load(repeats + line, mask=inside, other=0.0) * same[:, None]
            tl.store(earlier + line, onward + again, mask=inside)
            tl.store(earlier + square + line, onward + stay, mask=inside)
            largest_of = tl.maximum(largest_of, onward + tl.maximum(again, stay))
        tl.store(blanks + frame * batch + row, tl.sum(tl.sum(blank_shares, axis=1), axis=0))
        largest = tl.max(tl.max(largest_of, axis=1), axis=0)
        place -= 2 * square
        back += 1
        tl.debug_barrier()


def log_partition_and_expectations(
    probs: Tensor, lengths: Tensor, following: Tensor, ends: Tensor, gradient: bool
) -> tuple[Tensor, Tensor]:
    """ln Z of each utterance (batch,), and with `gradient` how often each token is expected at each frame.

    probs: (frames, batch, tokens) in float32; following: (last, before, next); ends: (last, before); all on one GPU.
    Expectations have the shape of `probs`, 0 beyond a length.
    """
    frames, batch, tokens = probs.shape
    size = triton.next_power_of_2(tokens)
    rows = max(1, min(size, TILE // size**2))  # last tokens taken at once
    diagonal = torch.arange(tokens, device=probs.device)
    wide = probs.new_zeros(tokens, size, size)
    wide[:, :tokens, :tokens] = following
    repeats = wide[diagonal, :, diagonal].contiguous()  # (last, before): a token follows itself only after a blank
    wide[diagonal, :, diagonal] = 0.0
    ending = probs.new_zeros(size, size)
    ending[:tokens, :tokens] = ends
    states = probs.new_empty(batch, frames + 1, 2, size, size)  # all but the first are written before they are read
    states[:, 0] = 0.0
    states[:, 0, 0, 0, 0] = 1.0
    probs, lengths = probs.contiguous(), lengths.to(probs.device)
    log_sums = probs.new_zeros(batch)
    shape = (frames, batch, tokens, size, rows)
    _forward[(batch,)](probs, lengths, wide, repeats, ending, states, log_sums, *shape, num_warps=WARPS)
    if not gradient:
        return log_sums, torch.zeros_like(probs)
    futures = probs.new_zeros(batch, 2, 2, size, size)
    futures[:, 0] = ending
    found, blanks = torch.zeros_like(probs), probs.new_zeros(frames, batch)
    _backward[(batch,)](probs, lengths, wide, repeats, states, futures, found, blanks, *shape, num_warps=WARPS)
    found[:, :, 0] += blanks
    return log_sums, found / found.sum(2, keepdim=True).clamp(min=torch.finfo(found.dtype).tiny)
