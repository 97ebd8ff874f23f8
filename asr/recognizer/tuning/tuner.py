"""Tunes the weights of a search on a dev set, from stored log-probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.decode.confidence import MeanEntropy, logit
from asr.decode.decoder import Decoder
from asr.decode.fusion import Fusion
from asr.decode.hypothesis import Hypothesis
from asr.decode.search.settings import LARGEST
from asr.errors import TextError
from asr.lm.word_model import WordModel
from asr.recognizer.bulk import LogProbs, decode_all, decode_lists
from asr.recognizer.tuning.nbest_lists import NbestLists, Weights
from asr.score.calibration import expected_calibration_error, fit_logistic, words_right
from asr.score.report import SystemScore, compare, score_system
from asr.score.statistics import PairedTest
from asr.score.text_files import Texts

START = Weights(1.0, -0.125)
NEURAL_SHARES = (0.3, 0.5, 0.7, 0.85)
HYPOTHESES = 100  # of each utterance that the weights are fitted to, from each search
NEURAL_TRIALS = 3
CONFIDENCE = (
    "confidence_bias", "confidence_slope", "confidence_evidence", "confidence_context", "confidence_entropy",
)  # fmt: skip

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """One setting and the error rate it gave."""

    lm_weight: float
    word_score: float
    wer: float
    neural_share: float = 0.0


@dataclass(frozen=True)
class BeamTrial:
    """A beam size with the error rate and the seconds of search it gave."""

    beam_size: int
    wer: float
    seconds: float


@dataclass(frozen=True)
class Calibration:
    """Settings of word confidences, and the expected calibration errors of the beam's posterior and with them."""

    settings: dict[str, float]
    before: float
    after: float


@dataclass(frozen=True)
class Tuning:
    """All trials, the best one's score, and the paired test against no language model."""

    trials: list[Trial]
    best: Trial
    score: SystemScore
    without_lm: SystemScore
    test: PairedTest


class Tuner:
    """Tries settings of a decoder on a dev set.

    Raises TextError if an utterance has no reference.
    """

    def __init__(
        self,
        decoder: Decoder,
        log_probs: LogProbs,
        reference: Texts,
        threads: int = 1,
        report: Callable[[Trial], None] | None = None,
    ) -> None:
        log_probs = {name: values for name, values in log_probs.items() if name not in reference.unknown}
        missing = [name for name in log_probs if name not in reference.texts]
        if missing:
            raise TextError(
                f"{len(missing)} utterances have no reference, first '{missing[0]}'; are these files of the same set?"
            )
        self.decoder, self.log_probs, self.threads, self.report = decoder, log_probs, threads, report
        self.reference = Texts({name: reference.texts[name] for name in log_probs}, reference.speakers)
        self._references = {name: text.split() for name, text in self.reference.texts.items()}

    def weights(self, trials: int = 8) -> Tuning:
        """The best weights: each search uses those that fit the best hypotheses of the searches before (`NbestLists`).

        It ends when the next weights would be near some that were tried, or after `trials` searches. The comparison
        without a language model uses the best of a few word scores.
        """
        lists = NbestLists(self._references, self.decoder.lm)
        results = self._rounds(lists, START, trials, self.with_weights)
        best, score = min(results, key=lambda result: result[0].wer)
        alone = (self._attempt(Weights(0.0, word_score)) for word_score in (-3.0, -1.0, 0.0))
        _, without = min(alone, key=lambda result: result[0].wer)
        return Tuning([trial for trial, _ in results], best, score, without, compare(without, score))

    def neural(self, best: Trial, model: WordModel, trials: int = NEURAL_TRIALS) -> tuple[Trial, SystemScore]:
        """The best share of a neural model and weights to go with it, found like `weights` from the best without it."""
        lists = NbestLists(self._references, self.decoder.lm, model, NEURAL_SHARES)
        start = Weights(best.lm_weight, best.word_score)
        plain, _ = decode_lists(self.with_weights(best), self.log_probs, self.threads, nbest=HYPOTHESES)
        for name, hypotheses in plain.items():
            lists.add(name, hypotheses, start)

        def fused(weights: Weights) -> Decoder:
            return self.with_weights(weights).with_fusion(Fusion(model, weights.neural_share))

        return min(self._rounds(lists, lists.best([start]), trials, fused), key=lambda result: result[0].wer)

    def _rounds(
        self, lists: NbestLists, start: Weights, trials: int, decoder: Callable[[Weights], Decoder]
    ) -> list[tuple[Trial, SystemScore]]:
        """The result of each search, run with the weights that the lists of the searches before ask for."""
        results: list[tuple[Trial, SystemScore]] = []
        tried: list[Weights] = []
        weights = start
        while len(results) < trials and not any(weights.near(other) for other in tried):
            nbest, _ = decode_lists(decoder(weights), self.log_probs, self.threads, nbest=HYPOTHESES)
            results.append(self._judged(weights, self._compared({name: best[0] for name, best in nbest.items()})))
            tried.append(weights)
            for name, hypotheses in nbest.items():
                lists.add(name, hypotheses, weights)
            first = min(range(len(results)), key=lambda number: results[number][0].wer)
            weights = lists.best([tried[first], *tried])
        return results

    def beams(self, best: Trial, sizes: Sequence[int]) -> list[BeamTrial]:
        """Error rate and time of other beam sizes with the best weights."""
        results = []
        for size in sizes:
            score, seconds = self._score(self.with_weights(best).with_settings(beam_size=size))
            results.append(BeamTrial(size, score.words.rate, seconds))
        return results

    def calibration(self, decoder: Decoder) -> Calibration:
        """Settings of word confidence, fitted to which words are right by logistic regression (Platt 1999).

        The expected calibration errors are of held-out words: each half of the utterances is judged by the fit to the
        other half. Where that is no better than the beam's posterior, as on a handful of utterances, the posterior
        stays.
        """
        plain = dict.fromkeys(CONFIDENCE, 0.0) | {"confidence_slope": 1.0}
        decoder, names = decoder.with_settings(**plain), list(self.log_probs)
        posterior, right, utterance = self._outcomes(decoder, names)
        evidence, _, _ = self._outcomes(decoder.with_settings(confidence_slope=0.0, confidence_evidence=1.0), names)
        entropy = np.array([MeanEntropy().feed(self.log_probs[name]).value for name in names])[utterance]
        words, half = _Words(np.stack([logit(posterior), logit(evidence)], axis=1), entropy, utterance), utterance % 2
        judged = np.zeros(len(right))
        for part in (0, 1):
            weights = _confidence_weights(words.only(half != part), right[half != part])
            judged[half == part] = _confidences(weights, words.only(half == part))
        before, after = (expected_calibration_error(found, right) for found in (posterior, judged))
        if after >= before:
            return Calibration(plain, before, before)
        fitted = np.round(np.clip(_confidence_weights(words, right), -LARGEST, LARGEST), 4)
        return Calibration(dict(zip(CONFIDENCE, fitted.tolist(), strict=True)), before, after)

    def _outcomes(self, decoder: Decoder, names: list[str]) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]:
        """Confidence of each word, whether it is right, and the number of its utterance."""
        best, _ = decode_all(decoder, self.log_probs, self.threads)
        spoken = [best[name].words for name in names]
        references = [self._references[name] for name in names]
        right = words_right(references, [[word.word for word in words] for words in spoken])
        confidences = [word.confidence for words in spoken for word in words]
        utterance = [place for place, words in enumerate(spoken) for _ in words]
        return np.array(confidences), np.array(right, bool), np.array(utterance, np.int64)

    def score_with(self, decoder: Decoder) -> SystemScore:
        """The score of any decoder on the dev set."""
        return self._score(decoder)[0]

    def with_weights(self, weights: Weights | Trial) -> Decoder:
        """The decoder with these weights, or a trial's, without a neural model."""
        return self.decoder.with_settings(lm_weight=weights.lm_weight, word_score=weights.word_score)

    def _attempt(self, weights: Weights) -> tuple[Trial, SystemScore]:
        return self._judged(weights, self.score_with(self.with_weights(weights)))

    def _judged(self, weights: Weights, score: SystemScore) -> tuple[Trial, SystemScore]:
        trial = Trial(weights.lm_weight, weights.word_score, score.words.rate, weights.neural_share)
        if self.report is not None:
            self.report(trial)
        return trial, score

    def _score(self, decoder: Decoder) -> tuple[SystemScore, float]:
        best, seconds = decode_all(decoder, self.log_probs, self.threads)
        return self._compared(best), seconds

    def _compared(self, best: dict[str, Hypothesis]) -> SystemScore:
        return score_system(self.reference, Texts({name: hypothesis.text for name, hypothesis in best.items()}))


@dataclass(frozen=True)
class _Words:
    """Words with what their confidences are computed from: log-odds (words, 2) of posterior and of evidence, the mean
    entropy (words,) and the number (words,) of their utterances."""

    features: Floats
    entropy: Floats
    utterance: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_]) -> _Words:
        return _Words(self.features[chosen], self.entropy[chosen], self.utterance[chosen])


def _confidence_weights(words: _Words, right: NDArray[np.bool_]) -> Floats:
    """The settings in `CONFIDENCE`.

    First a word's own features are weighted, beside all that is of its utterance; then their sum beside its mean over
    the utterance, and the entropy.
    """
    entropy = -words.entropy[:, np.newaxis]
    means = np.stack([_means(column, words.utterance) for column in words.features.T], axis=1)
    own_weights = np.array(fit_logistic(np.hstack([words.features, means, entropy]), right).weights[:2])
    own = words.features @ own_weights
    both = fit_logistic(np.hstack([np.stack([own, _means(own, words.utterance)], axis=1), entropy]), right)
    share, context, fall = both.weights
    if share <= 0:  # the words of an utterance tell all
        alone = fit_logistic(words.features, right)
        return np.array([alone.bias, *alone.weights, 0.0, 0.0])
    return np.array([both.bias, *(share * own_weights), context / share, fall])


def _confidences(weights: Floats, words: _Words) -> Floats:
    own = words.features @ weights[1:3]
    of_utterance = weights[3] * _means(own, words.utterance) - weights[4] * words.entropy
    return np.asarray(1.0 / (1.0 + np.exp(-(weights[0] + own + of_utterance))))


def _means(values: Floats, utterance: NDArray[np.int64]) -> Floats:
    """For each word the mean of the values (words,) of its utterance."""
    sums, counts = np.bincount(utterance, values), np.bincount(utterance)
    return np.asarray((sums / np.maximum(counts, 1))[utterance])
