from __future__ import annotations

import tracemalloc
from itertools import product

import numpy as np
import pytest

from asr.score import statistics
from asr.score.statistics import bootstrap_interval, paired_test


def test_the_interval_covers_the_truth_in_95_of_100_cases():
    """Of 200 sets 190 are expected, with a standard deviation of 3: an interval of 90% or of 99% fails."""
    random = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        lengths = random.integers(5, 30, 80)
        errors = random.binomial(lengths, 0.2)
        interval = bootstrap_interval(errors.tolist(), lengths.tolist(), seed=trial)
        covered += interval.low <= 0.2 <= interval.high
    assert 184 <= covered <= 195


def test_the_interval_is_that_of_all_resamples():
    """Of three utterances all 27 resamples are equally likely: the interval is a percentile of those."""
    errors, lengths = [1, 2, 6], [10, 8, 12]
    rates = [sum(errors[i] for i in draw) / sum(lengths[i] for i in draw) for draw in product(range(3), repeat=3)]
    interval = bootstrap_interval(errors, lengths)
    exact = np.percentile(np.repeat(rates, 1000), [2.5, 97.5])
    assert (interval.low, interval.high) == pytest.approx(exact, abs=1e-9)


def test_the_interval_equals_the_normal_one_for_many_utterances():
    random = np.random.default_rng(1)
    errors = random.integers(0, 5, 2000)
    lengths = np.full(2000, 10)
    interval = bootstrap_interval(errors.tolist(), lengths.tolist())
    rate, spread = errors.mean() / 10, errors.std() / 10 / np.sqrt(2000)
    assert interval.low == pytest.approx(rate - 1.96 * spread, abs=0.1 * spread)
    assert interval.high == pytest.approx(rate + 1.96 * spread, abs=0.1 * spread)


def test_memory_is_bounded_and_chunks_change_nothing(monkeypatch):
    random = np.random.default_rng(4)
    errors, other, lengths = (*random.integers(0, 5, (2, 40)).tolist(), [10] * 40)
    whole = bootstrap_interval(errors, lengths), paired_test(errors, other, lengths)
    tracemalloc.start()
    monkeypatch.setattr(statistics, "DRAWN_AT_ONCE", 40 * 7)
    assert (bootstrap_interval(errors, lengths), paired_test(errors, other, lengths)) == whole
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_speakers_who_differ_widen_the_interval():
    errors = [0, 0, 0, 0, 5, 5, 5, 5, 0, 0, 0, 0, 5, 5, 5, 5]
    lengths = [10] * 16
    speakers = [name for name in "abcd" for _ in range(4)]
    narrow, wide = bootstrap_interval(errors, lengths), bootstrap_interval(errors, lengths, speakers)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    assert bootstrap_interval(errors, lengths, ["a"] * 16) is None


def test_the_p_value_equals_that_of_all_permutations():
    first, second = [3, 1, 4, 1, 5, 2, 2, 3], [1, 1, 2, 2, 3, 1, 2, 1]
    difference = np.array(second) - np.array(first)
    sums = [abs(np.dot(signs, difference)) for signs in product((-1, 1), repeat=8)]
    exact = np.mean(np.array(sums) >= abs(difference.sum()))
    test = paired_test(first, second, [10] * 8)
    assert test.p_value == pytest.approx(exact, abs=0.015)
    assert test.difference == pytest.approx(-8 / 80)
    assert (test.better, test.worse) == (5, 1)


def test_speakers_are_swapped_and_drawn_as_wholes():
    """Six speakers of two utterances each: 64 ways to swap them, 6**6 samples of them."""
    first, second = [3, 1, 4, 1, 5, 2, 2, 3, 4, 4, 0, 2], [1, 2, 2, 2, 2, 1, 2, 1, 3, 3, 1, 2]
    lengths, speakers = [10, 8, 12, 6, 9, 10, 7, 11, 10, 14, 5, 10], [name for name in "fbdace" for _ in range(2)]
    moved = (np.array(second) - np.array(first)).reshape(6, 2).sum(axis=1)
    words = np.array(lengths).reshape(6, 2).sum(axis=1)
    sums = np.abs(np.array(list(product((-1, 1), repeat=6))) @ moved)
    draws = np.array(list(product(range(6), repeat=6)))
    rates = moved[draws].sum(axis=1) / words[draws].sum(axis=1)
    test = paired_test(first, second, lengths, speakers)
    assert test.p_value == pytest.approx(np.mean(sums >= abs(moved.sum())), abs=0.01)
    low, less_low, less_high, high = np.percentile(rates, [2, 3, 97, 98])  # 10,000 samples are drawn, not all
    assert low <= test.interval.low <= less_low
    assert less_high <= test.interval.high <= high
    assert (test.better, test.worse, test.speakers) == (7, 3, 6)
    shuffled = np.random.default_rng(5).permutation(12)
    same = paired_test(*(np.array(column)[shuffled].tolist() for column in (first, second, lengths, speakers)))
    assert same.p_value == test.p_value


def test_few_speakers_are_tested_by_utterance():
    errors = [3, 1, 4, 1, 5, 2, 2, 3, 4, 4], [1, 2, 2, 2, 2, 1, 2, 1, 3, 3], [10] * 10
    assert paired_test(*errors, [name for name in "abcde" for _ in range(2)]) == paired_test(*errors)


def test_a_difference_that_few_speakers_make_is_no_significant_one():
    """Of eight speakers one is much better understood by the second system, in all of 20 utterances."""
    first, second = [3] * 20 + [2] * 140, [1] * 20 + [2] * 140
    speakers = [name for name in "abcdefgh" for _ in range(20)]
    assert paired_test(first, second, [10] * 160).p_value < 0.001
    assert paired_test(first, second, [10] * 160, speakers).p_value > 0.9


def test_equal_systems_do_not_differ():
    test = paired_test([1, 2, 3], [1, 2, 3], [10, 10, 10])
    assert (test.difference, test.p_value) == (0.0, 1.0)
