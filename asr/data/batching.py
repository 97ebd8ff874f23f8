"""Batches of similar lengths, limited by their padded duration and planned before any audio is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LENGTH_NOISE = 0.02  # relative jitter added to lengths before sorting, so that batches differ between epochs


@dataclass(frozen=True)
class BatchPlan:
    """Batches as lists of item indices, and the items that no batch has because each alone exceeds the limit."""

    batches: list[list[int]]
    too_long: list[int]


def plan_batches(
    durations: Sequence[float],
    max_seconds: float,
    min_fill: float = 0.95,
    seed: Sequence[int] = (0,),
    shuffle: bool = True,
) -> BatchPlan:
    """A plan in which no padded batch (number of items times the longest) exceeds `max_seconds`.

    Items of similar length share a batch, and a batch is closed before its share of speech falls below `min_fill`:
    memory is bounded by `max_seconds`, of which at most `1 - min_fill` is padding. The same seed gives the same plan.
    Items longer than `max_seconds` are listed in `too_long`.
    """
    random = np.random.default_rng(list(seed))
    lengths = np.asarray(durations, dtype=np.float64)
    noise = random.uniform(1 - LENGTH_NOISE, 1 + LENGTH_NOISE, len(lengths)) if shuffle else 1.0
    order = np.argsort(lengths * noise, kind="stable")
    batches: list[list[int]] = []
    batch: list[int] = []
    total = longest = 0.0
    too_long: list[int] = []
    for index in order.tolist():
        length = float(lengths[index])
        if length > max_seconds:
            too_long.append(index)
            continue
        new_longest = max(longest, length)
        padded = new_longest * (len(batch) + 1)
        if batch and (padded > max_seconds or total + length < min_fill * padded):
            batches.append(batch)
            batch, total, new_longest = [], 0.0, length
        batch.append(index)
        total, longest = total + length, new_longest
    if batch:
        batches.append(batch)
    if shuffle:
        batches = [batches[i] for i in random.permutation(len(batches))]
    return BatchPlan(batches, sorted(too_long))
