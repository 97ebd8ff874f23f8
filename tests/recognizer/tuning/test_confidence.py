"""Settings of word confidence: fitted to drawn words, and applied as they were fitted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

from asr.decode.confidence import MeanEntropy, in_context, logit
from asr.recognizer.tuning.tuner import _confidence_weights, _confidences, _Words


def test_the_fit_finds_the_weights_that_words_were_drawn_with():
    random = np.random.default_rng(3)
    utterance = np.repeat(np.arange(3000), 12)
    noise = np.repeat(random.normal(0.0, 1.5, 3000), 12)  # of the utterance
    features = np.stack([noise + random.normal(2.0, 1.5, len(noise)), random.normal(1.0, 1.0, len(noise))], axis=1)
    words = _Words(features, np.repeat(random.uniform(0.0, 2.0, 3000), 12), utterance)
    wanted = np.array([-0.5, 0.6, 0.4, 0.7, 0.9])
    right = random.random(len(noise)) < _confidences(wanted, words)
    assert np.allclose(_confidence_weights(words, right), wanted, atol=0.12)


def test_words_in_context_have_the_confidence_that_was_fitted():
    random = np.random.default_rng(4)
    utterance = np.array([0] * 4 + [1] * 5)
    weights = np.array([0.3, 0.8, 0.5, 0.6, 0.7])
    words = _Words(random.normal(0.0, 1.0, (9, 2)), np.array([0.2, 1.1])[utterance], utterance)
    alone = 1 / (1 + np.exp(-(weights[0] + words.features @ weights[1:3])))
    fitted = _confidences(weights, words)
    for number, mean in enumerate((0.2, 1.1)):
        found = in_context(alone[utterance == number], bias=0.3, context=0.6, shift=-0.7 * mean)
        assert np.allclose(found, fitted[utterance == number], atol=1e-9)


def test_words_stay_as_they_are_without_context():
    confidences = np.array([0.2, 1.0, 0.0])
    assert in_context(confidences, 0.5, 0.0) is confidences
    assert np.isfinite(logit(confidences)).all()
    assert len(in_context(np.zeros(0), 0.5, 1.0)) == 0


def test_the_mean_entropy_is_scipys_however_it_is_fed():
    random = np.random.default_rng(5)
    probabilities = random.dirichlet(np.full(7, 0.3), 40)
    probabilities[3] = np.eye(7)[2]
    with np.errstate(divide="ignore"):
        log_probs = np.log(probabilities)
    expected = entropy(probabilities, axis=1).mean()
    assert MeanEntropy().value == 0.0
    assert MeanEntropy().feed(log_probs).value == pytest.approx(expected, abs=1e-9)
    assert MeanEntropy().feed(log_probs[:9]).feed(log_probs[9:9]).feed(log_probs[9:]).value == pytest.approx(expected)
