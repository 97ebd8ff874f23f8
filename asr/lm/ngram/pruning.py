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

Floats = NDArray[np.float64]
LEAST = 1e-12  # below this a difference of probabilities is rounding


class Level(Protocol):
    """The different n-grams of one order; indices are of the order below."""

    prefix: NDArray[np.int64]  # the n-gram without its last word: the history
    suffix: NDArray[np.int64]  # the n-gram without its first word


def prune(
    levels: Sequence[Level],
    present: Sequence[NDArray[np.bool_]],
    probabilities: Sequence[Floats],
    frequencies: Sequence[Floats],
    threshold: float,
) -> list[NDArray[np.bool_]]:
    """Which n-grams of each order stay, of those `present`.

    probabilities: of each n-gram's last word after its history, by order. frequencies: of each n-gram as a history.
    threshold: relative rise of perplexity below which an n-gram goes.
    """
    kept = [mask.copy() for mask in present]
    for index in range(len(levels) - 1, 0, -1):
        rise = relative_entropies(levels[index], present[index], probabilities, frequencies, index)
        goes = kept[index] & (np.expm1(rise) < threshold)
        if index + 1 < len(levels):
            needed = np.zeros(len(goes), bool)
            needed[levels[index + 1].prefix[kept[index + 1]]] = True
            goes &= ~needed  # a history that longer n-grams go on from
        kept[index] &= ~goes
    return kept


def relative_entropies(
    level: Level, present: NDArray[np.bool_], probabilities: Sequence[Floats], frequencies: Sequence[Floats], index: int
) -> Floats:
    """Relative entropy, in nats a word, of the model without each n-gram of one order to the model with it."""
    direct, lower = probabilities[index], probabilities[index - 1][level.suffix]
    size = len(frequencies[index - 1])
    left = np.maximum(1 - np.bincount(level.prefix, np.where(present, direct, 0), size), LEAST)[level.prefix]
    left_lower = np.maximum(1 - np.bincount(level.prefix, np.where(present, lower, 0), size), LEAST)[level.prefix]
    before = np.log(left) - np.log(left_lower)
    after = np.log(left + direct) - np.log(left_lower + lower)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = direct * (np.log(lower) + after - np.log(direct)) + left * (after - before)
    return np.asarray(-frequencies[index - 1][level.prefix] * change)


def backoff_weights(
    levels: Sequence[Level], kept: Sequence[NDArray[np.bool_]], probabilities: Sequence[Floats]
) -> list[Floats]:
    """Back-off weight of each n-gram as a history, by order: what makes the words after it sum to one."""
    effective = probabilities[0]
    weights = []
    for index in range(1, len(levels)):
        level, here = levels[index], kept[index]
        size = len(effective)
        lower = effective[level.suffix]
        left = np.maximum(1 - np.bincount(level.prefix, np.where(here, probabilities[index], 0), size), 0)
        left_lower = 1 - np.bincount(level.prefix, np.where(here, lower, 0), size)
        used = np.bincount(level.prefix[here], minlength=size) > 0
        weight = np.where(used, np.divide(left, left_lower, out=np.ones(size), where=left_lower > LEAST), 1.0)
        weights.append(weight)
        effective = np.where(here, probabilities[index], weight[level.prefix] * lower)
    return [*weights, np.ones(len(effective))]
