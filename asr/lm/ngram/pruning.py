"""Entropy pruning of back-off models (Stolcke 1998, "Entropy-based pruning of backoff language models").

An n-gram is left out if its absence, with the back-off weight of its history set right, raises the model's perplexity
by less than a given share. Histories have their frequency in the text, not the model's own probability: that one is far
from it for Kneser-Ney's lower orders, and pruning by it harms them (Chelba et al. 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asr.lm.ngram.counts import Level as CountedLevel
from asr.lm.ngram.counts import Steps, blocks_of_histories, no_steps
from asr.lm.ngram.disk_arrays import DiskArray, Workspace, gather

Floats = NDArray[np.float64]
LEAST = 1e-12  # below this a difference of probabilities is rounding


class Level(Protocol):
    """The different n-grams of one order in memory; indices are of the order below."""

    prefix: NDArray[np.int64]  # the n-gram without its last word: the history
    suffix: NDArray[np.int64]  # the n-gram without its first word


def prune(
    space: Workspace,
    levels: Sequence[CountedLevel],
    present: Sequence[DiskArray],
    probabilities: Sequence[DiskArray],
    lowers: Sequence[DiskArray],
    threshold: float,
    steps: Steps = no_steps,
) -> list[DiskArray]:
    """Which n-grams of each order stay, of those `present`.

    probabilities: of each n-gram's last word after its history, by order; lowers: after its history without the first
    word. threshold: relative rise of perplexity below which an n-gram goes.
    """
    tokens = int(levels[0].counts[:].sum())
    kept = list(present)
    needed: DiskArray | None = None  # histories that longer n-grams go on from
    for index in range(len(levels) - 1, 0, -1):
        level, stays, goes_on = levels[index], space.array(np.bool_), space.array(np.bool_)
        for rows, histories in blocks_of_histories(space, level, len(levels[index - 1])):
            history = level.history_and_last(rows.start, rows.stop)[0] - histories.start
            size = histories.stop - histories.start
            frequencies = levels[index - 1].counts[histories] / tokens
            rise = relative_entropies(
                history, size, present[index][rows], probabilities[index][rows], lowers[index][rows], frequencies
            )
            keeps = np.expm1(rise) >= threshold
            if needed is not None:
                keeps |= needed[rows]
            keeps &= present[index][rows]
            stays.append(keeps)
            goes_on.append(np.bincount(history[keeps], minlength=size) > 0)
            steps(f"pruning {index + 1}-grams", rows.stop, len(level))
        kept[index], needed = stays, goes_on
    return kept


def prune_in_memory(
    levels: Sequence[Level],
    present: Sequence[NDArray[np.bool_]],
    probabilities: Sequence[Floats],
    frequencies: Sequence[Floats],
    threshold: float,
) -> list[NDArray[np.bool_]]:
    """`prune` of a model in memory; frequencies: of the n-grams of each order but the highest, a share of all words."""
    weights = backoff_weights(levels, present, probabilities)
    lowers, effective = [probabilities[0]], probabilities[0]
    for index in range(1, len(levels)):
        lowers.append(effective[levels[index].suffix])
        backed_off = weights[index - 1][levels[index].prefix] * lowers[index]
        effective = np.where(present[index], probabilities[index], backed_off)
    kept = list(present)
    needed = np.zeros(len(kept[-1]), bool)  # histories that longer n-grams go on from
    for index in range(len(levels) - 1, 0, -1):
        history, size = levels[index].prefix, len(present[index - 1])
        rise = relative_entropies(
            history, size, present[index], probabilities[index], lowers[index], frequencies[index - 1]
        )
        kept[index] = present[index] & ((np.expm1(rise) >= threshold) | needed)
        needed = np.bincount(history[kept[index]], minlength=size) > 0
    return kept


def relative_entropies(
    history: NDArray[np.int64],
    size: int,
    present: NDArray[np.bool_],
    direct: Floats,
    lower: Floats,
    frequencies: Floats,
) -> Floats:
    """Relative entropy, in nats a word, of the model without each n-gram to the model with it.

    history: of each n-gram, below `size`; direct, lower: probability of its last word after the history, and after the
    history without its first word; frequencies: of each history, (size,).
    """
    left = np.maximum(1 - np.bincount(history, np.where(present, direct, 0), size), LEAST)[history]
    left_lower = np.maximum(1 - np.bincount(history, np.where(present, lower, 0), size), LEAST)[history]
    before = np.log(left) - np.log(left_lower)
    after = np.log(left + direct) - np.log(left_lower + lower)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = direct * (np.log(lower) + after - np.log(direct)) + left * (after - before)
    return np.asarray(-frequencies[history] * change)


def backoff_weights(
    levels: Sequence[Level], kept: Sequence[NDArray[np.bool_]], probabilities: Sequence[Floats]
) -> list[Floats]:
    """Back-off weight of each n-gram as a history, by order, of a model in memory: words after it then sum to one."""
    effective = probabilities[0]
    weights = []
    for index in range(1, len(levels)):
        level, here = levels[index], kept[index]
        lower = effective[level.suffix]
        weight = _weights(level.prefix, len(effective), here, probabilities[index], lower)
        weights.append(weight)
        effective = np.where(here, probabilities[index], weight[level.prefix] * lower)
    return [*weights, np.ones(len(effective))]


def backoff_weights_on_disk(
    space: Workspace,
    levels: Sequence[CountedLevel],
    kept: Sequence[DiskArray],
    probabilities: Sequence[DiskArray],
    steps: Steps = no_steps,
) -> list[DiskArray]:
    """`backoff_weights` of a model on disk; none for the highest order, whose n-grams are no histories."""
    effective = probabilities[0]
    weights = []
    for index in range(1, len(levels)):
        level, lowers = levels[index], gather(space, effective, levels[index].suffix)
        of_histories, following = space.array(np.float64), space.array(np.float64)
        for rows, histories in blocks_of_histories(space, level, len(levels[index - 1])):
            history = level.history_and_last(rows.start, rows.stop)[0] - histories.start
            here, lower, direct = kept[index][rows], lowers[rows], probabilities[index][rows]
            weight = _weights(history, histories.stop - histories.start, here, direct, lower)
            of_histories.append(weight)
            if index + 1 < len(levels):
                following.append(np.where(here, direct, weight[history] * lower))
            steps(f"back-off weights of {index}-grams", rows.stop, len(level))
        weights.append(of_histories)
        lowers.close()
        effective = following
    return weights


def _weights(history: NDArray[np.int64], size: int, here: NDArray[np.bool_], direct: Floats, lower: Floats) -> Floats:
    left = np.maximum(1 - np.bincount(history, np.where(here, direct, 0), size), 0)
    left_lower = 1 - np.bincount(history, np.where(here, lower, 0), size)
    used = np.bincount(history[here], minlength=size) > 0
    return np.where(used, np.divide(left, left_lower, out=np.ones(size), where=left_lower > LEAST), 1.0)
