"""CTC-CRF's sums over all paths on the CPU, compiled: one utterance at a time, all of whose states fit the cache.

The same sums as `crf._Passes`, which a GPU runs and tests hold this to. A state's arrays are (last, before), padded to
a multiple of 16 columns so that the innermost loops are whole vectors.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.compiled import compile_cached

LANES = 16
NEGLIGIBLE = 1e-30  # of a frame's mass of 1: below it lie denormal numbers, which are slow


@cache
def compiled() -> tuple[Any, Any]:
    """(forward, expectations), compiled on first use."""
    wrap = compile_cached(fastmath={"contract", "nsz", "reassoc"})
    return wrap(_forward), wrap(_expectations)


def padded(table: NDArray[np.floating]) -> NDArray[np.floating]:
    """The last axis filled with zeros to a multiple of `LANES`."""
    extra = -table.shape[-1] % LANES
    return np.ascontiguousarray(np.pad(table, [(0, 0)] * (table.ndim - 1) + [(0, extra)]))


def log_partition_and_expectations(
    probs: NDArray[np.floating],
    lengths: NDArray[np.int64],
    following: NDArray[np.floating],
    ends: NDArray[np.floating],
    gradient: bool,
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """ln Z of each utterance (batch,), and with `gradient` how often each token is expected at each frame.

    probs: (frames, batch, tokens); following: (last, before, next); ends: (last, before). Expectations have the shape
    of `probs`, 0 beyond a length.
    """
    forward, expectations = compiled()
    tokens = probs.shape[2]
    diagonal = np.arange(tokens)
    repeats = padded(following[diagonal, :, diagonal])  # (last, before): a token follows itself only after a blank
    others = following.copy()
    others[diagonal, :, diagonal] = 0.0
    onward, backward = padded(others), padded(np.swapaxes(others, 1, 2))
    ends = padded(ends)
    log_sums = np.zeros(probs.shape[1], probs.dtype)
    found = np.zeros_like(probs)
    for row, length in enumerate(lengths):
        y = np.ascontiguousarray(probs[:length, row])
        states = np.zeros((length + 1, 2, *ends.shape), probs.dtype)
        log_sums[row] = forward(y, states, onward, repeats, ends)
        if gradient:
            found[:length, row] = expectations(y, states, backward, repeats, ends)
    return log_sums, found


def _forward(y, states, others, repeats, ends):  # type: ignore[no-untyped-def]
    """ln Z; fills `states` (frames + 1, blank or token last, last, before), each frame's scaled to a sum of 1."""
    frames, tokens = y.shape
    width = ends.shape[1]
    states[0, 0, 0, 0] = 1.0
    zero = y.dtype.type(0)
    moved = np.zeros((tokens, width), y.dtype)
    log_sum = 0.0
    for frame in range(frames):
        blank, token = states[frame, 0], states[frame, 1]
        to_blank, to_token = states[frame + 1, 0], states[frame + 1, 1]
        moved[:] = 0.0
        total = zero
        for last in range(tokens):
            again = zero
            row = moved[last]
            for before in range(tokens):
                mass = blank[last, before] + token[last, before]
                if mass < NEGLIGIBLE:
                    continue
                again += blank[last, before] * repeats[last, before]
                table = others[last, before]
                for following in range(width):
                    row[following] += mass * table[following]
                to_blank[last, before] = mass * y[frame, 0]
                total += to_blank[last, before]
            row[last] += again
        for last in range(tokens):
            here = y[frame, last]
            for before in range(tokens):
                to_token[last, before] = (moved[before, last] + token[last, before]) * here
                total += to_token[last, before]
        share = 1 / total
        for last in range(tokens):
            for before in range(width):
                to_blank[last, before] *= share
                to_token[last, before] *= share
        log_sum += np.log(total)
    ending = 0.0
    for last in range(tokens):
        for before in range(tokens):
            ending += (states[frames, 0, last, before] + states[frames, 1, last, before]) * ends[last, before]
    return log_sum + np.log(ending)


def _expectations(y, states, others, repeats, ends):  # type: ignore[no-untyped-def]
    """How often each token (or blank) is expected at each frame, (frames, tokens).

    others: (last, next, before). The passes backward are scaled to a sum of 1.
    """
    frames, tokens = y.shape
    width = ends.shape[1]
    found = np.zeros((frames, tokens), y.dtype)
    blank, token = ends.copy(), ends.copy()
    zero = y.dtype.type(0)
    onward = np.zeros((tokens, width), y.dtype)
    step = np.zeros((tokens, width), y.dtype)  # (last, next)
    for frame in range(frames - 1, -1, -1):
        at_blank, at_token = states[frame + 1, 0], states[frame + 1, 1]
        total = zero
        for last in range(tokens):
            by_token, by_blank = zero, zero
            for before in range(tokens):
                by_token += at_token[last, before] * token[last, before]
                by_blank += at_blank[last, before] * blank[last, before]
            found[frame, last] += by_token
            found[frame, 0] += by_blank
            total += by_token + by_blank
        for last in range(tokens):
            found[frame, last] /= total
        for following in range(tokens):
            here = y[frame, following]
            for last in range(tokens):
                step[last, following] = token[following, last] * here
        mass_of_frame = zero
        for last in range(tokens):
            row = onward[last]
            for before in range(width):
                row[before] = blank[last, before] * y[frame, 0]
            for following in range(tokens):
                mass = step[last, following]
                if mass < NEGLIGIBLE:
                    continue
                table = others[last, following]
                for before in range(width):
                    row[before] += mass * table[before]
            for before in range(width):
                mass_of_frame += row[before]
        share = 1 / mass_of_frame
        for last in range(tokens):
            again, here = step[last, last], y[frame, last]
            for before in range(tokens):
                token[last, before] = (onward[last, before] + token[last, before] * here) * share
                blank[last, before] = (onward[last, before] + again * repeats[last, before]) * share
    return found
