"""Settings of word confidence: fitted to drawn words, and applied as they were fitted."""

from __future__ import annotations

import numpy as np

from asr.decode.confidence import in_context, logit
from asr.recognizer.tuning.tuner import _confidence_weights, _confidences


def test_the_fit_finds_the_weights_that_words_were_drawn_with():
    random = np.random.default_rng(3)
    utterance = np.repeat(np.arange(3000), 12)
    noise = np.repeat(random.normal(0.0, 1.5, 3000), 12)  # of the utterance
    features = np.stack([noise + random.normal(2.0, 1.5, len(noise)), random.normal(1.0, 1.0, len(noise))], axis=1)
    wanted = np.array([-0.5, 0.6, 0.4, 0.7])
    right = random.random(len(noise)) < _confidences(wanted, features, utterance)
    assert np.allclose(_confidence_weights(features, utterance, right), wanted, atol=0.12)


def test_words_in_context_have_the_confidence_that_was_fitted():
    random = np.random.default_rng(4)
    features, weights = random.normal(0.0, 1.0, (9, 2)), np.array([0.3, 0.8, 0.5, 0.6])
    utterance = np.array([0] * 4 + [1] * 5)
    alone = 1 / (1 + np.exp(-(weights[0] + features @ weights[1:3])))
    fitted = _confidences(weights, features, utterance)
    for part in (utterance == 0, utterance == 1):
        assert np.allclose(in_context(alone[part], bias=0.3, context=0.6), fitted[part], atol=1e-9)


def test_words_stay_as_they_are_without_context():
    confidences = np.array([0.2, 1.0, 0.0])
    assert in_context(confidences, 0.5, 0.0) is confidences
    assert np.isfinite(logit(confidences)).all()
    assert len(in_context(np.zeros(0), 0.5, 1.0)) == 0
