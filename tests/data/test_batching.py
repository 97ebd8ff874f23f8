from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr.data.batching import plan_batches

DURATIONS = st.lists(st.floats(0.05, 40.0), min_size=1, max_size=120)


@given(DURATIONS, st.integers(0, 5))
def test_every_item_comes_once_and_batches_keep_their_limits(durations, seed):
    plan = plan_batches(durations, 60.0, seed=(seed,))
    assert sorted(index for batch in plan.batches for index in batch) == list(range(len(durations)))
    for batch in plan.batches:
        lengths = [durations[index] for index in batch]
        assert len(batch) * max(lengths) <= 60.0 + 1e-9
        assert sum(lengths) / (len(batch) * max(lengths)) >= 0.95 - 1e-9


def test_items_above_the_limit_are_listed():
    plan = plan_batches([1.0, 70.0, 2.0], 60.0)
    assert plan.too_long == [1]


def test_seeds_repeat_and_epochs_differ():
    durations = np.random.default_rng(0).uniform(1, 20, 300).tolist()
    plans = [plan_batches(durations, 100.0, seed=(1, epoch)).batches for epoch in (0, 0, 1)]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]


def test_batches_of_a_corpus_are_well_filled():
    durations = np.random.default_rng(0).gamma(6, 2, 1500).tolist()
    batches = plan_batches(durations, 160.0).batches
    padded = sum(len(batch) * max(durations[i] for i in batch) for batch in batches)
    assert sum(durations) / padded > 0.97
    assert np.median([len(batch) * max(durations[i] for i in batch) for batch in batches]) > 120
