from __future__ import annotations

import math

import numpy as np
import pytest

from asr.score.perplexity import render, score_text


def test_perplexity_is_the_inverse_geometric_mean_of_the_probabilities():
    probabilities = np.array([0.5, 0.25, 0.125, 0.5])  # three words and an end of sentence
    known = np.array([True, True, False, True])
    score = score_text(np.log(probabilities), known, sentences=1)
    assert score.perplexity == pytest.approx((0.5 * 0.25 * 0.125 * 0.5) ** (-1 / 4), abs=0.005)
    assert score.perplexity_known == pytest.approx((0.5 * 0.25 * 0.5) ** (-1 / 3), abs=0.005)
    assert (score.words, score.sentences, score.unknown) == (3, 1, 1)
    assert score.log_prob == pytest.approx(math.log(0.5 * 0.25 * 0.125 * 0.5), abs=5e-4)
    assert "1 words unknown (33.33%)" in render(score)


def test_words_without_a_probability_are_left_out():
    score = score_text(np.array([math.log(0.5), -np.inf, math.log(0.5)]), np.array([True, False, True]), 1)
    assert (score.perplexity, score.perplexity_known, score.unknown) == (2.0, 2.0, 1)
