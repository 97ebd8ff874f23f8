"""Finding the search's weights on a dev set, from stored log-probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.decode.beam import BeamDecoder
from asr.decode.fusion import Fusion
from asr.decode.readout import UNSURE
from asr.errors import TextError
from asr.lm.word_model import WordModel, sentence_scores
from asr.recognizer.bulk import LogProbs, decode_all
from asr.score.calibration import expected_calibration_error, fit_logistic, words_right
from asr.score.edit_distance import align
from asr.score.report import SystemScore, compare, score_system
from asr.score.statistics import PairedTest
from asr.score.text_files import Texts

LM_WEIGHTS = (0.3, 2.0)  # searched first, evenly at random
WORD_SCORES = (-2.0, 3.0)
NEURAL_SHARES = (0.3, 0.5, 0.7, 0.85)
NARROWING = 0.25  # later draws scatter around the best so far with this share of the ranges


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
        decoder: BeamDecoder,
        log_probs: LogProbs,
        reference: Texts,
        threads: int = 1,
        report: Callable[[Trial], None] | None = None,
    ) -> None:
        lost = [name for name in log_probs if name not in reference.texts]
        if lost:
            raise TextError(
                f"{len(lost)} utterances have no reference, first '{lost[0]}'; are these files of the same set?"
            )
        self.decoder, self.log_probs, self.threads, self.report = decoder, log_probs, threads, report
        self.wanted = Texts({name: reference.texts[name] for name in log_probs}, reference.speakers)

    def weights(self, trials: int = 20, seed: int = 1) -> Tuning:
        """Try weights at random, the first half over the whole range, the second around the best found.

        The setting without a language model has the word score that is best for it, of a few.
        """
        random = np.random.default_rng(seed)
        results = [self._attempt(0.8, 0.0)]
        for number in range(1, trials):
            if number < trials / 2:
                weights = random.uniform(*LM_WEIGHTS), random.uniform(*WORD_SCORES)
            else:
                centre = min(results, key=lambda result: result[0].wer)[0]
                weights = (
                    centre.lm_weight + _nearby(LM_WEIGHTS, random),
                    centre.word_score + _nearby(WORD_SCORES, random),
                )
            results.append(self._attempt(max(0.0, weights[0]), weights[1]))
        best, score = min(results, key=lambda result: result[0].wer)
        alone = (self._attempt(0.0, word_score) for word_score in (-3.0, -1.0, 0.0))
        _, without = min(alone, key=lambda result: result[0].wer)
        return Tuning([trial for trial, _ in results], best, score, without, compare(without, score))

    def neural(self, best: Trial, model: WordModel, hypotheses: int = 100, trials: int = 60, seed: int = 1) -> Trial:
        """The share of a neural model and weights, around `best`, that order each utterance's best hypotheses best.

        Both models score every hypothesis once; the trials only add up.
        """
        lists = NbestLists(self.with_weights(best), self.log_probs, model, self.wanted, hypotheses)
        random = np.random.default_rng(seed)
        found = []
        for number in range(trials):
            share = NEURAL_SHARES[number % len(NEURAL_SHARES)]
            lm_weight = max(0.0, best.lm_weight + _nearby(LM_WEIGHTS, random))
            word_score = best.word_score + _nearby(WORD_SCORES, random)
            wer = lists.error_rate(share, lm_weight, word_score)
            found.append(Trial(round(lm_weight, 3), round(word_score, 3), wer, share))
        return min(found, key=lambda trial: trial.wer)

    def beams(self, best: Trial, sizes: Sequence[int]) -> list[BeamTrial]:
        """What other beam sizes give with the best weights."""
        found = []
        for size in sizes:
            score, seconds = self._score(self.with_weights(best).with_settings(beam_size=size))
            found.append(BeamTrial(size, score.words.rate, seconds))
        return found

    def calibration(self, decoder: BeamDecoder) -> Calibration:
        """Settings of word confidences that fit what is right, by logistic regression (Platt 1999).

        The expected calibration errors are of words that took no part: each half of the utterances is judged by the fit
        to the other half.
        """
        plain = {"confidence_bias": 0.0, "confidence_slope": 1.0, "confidence_evidence": 0.0}
        decoder, names = decoder.with_settings(**plain), list(self.log_probs)
        posterior, right, half = self._outcomes(decoder, names)
        evidence, _, _ = self._outcomes(decoder.with_settings(confidence_slope=0.0, confidence_evidence=1.0), names)
        features = np.stack([_logit(posterior), _logit(evidence)], axis=1)
        judged = np.zeros(len(right))
        for part in (0, 1):
            judged[half == part] = fit_logistic(features[half != part], right[half != part])(features[half == part])
        whole = fit_logistic(features, right)
        settings = {
            "confidence_bias": round(whole.bias, 4),
            "confidence_slope": round(whole.weights[0], 4),
            "confidence_evidence": round(whole.weights[1], 4),
        }
        return Calibration(
            settings, expected_calibration_error(posterior, right), expected_calibration_error(judged, right)
        )

    def _outcomes(self, decoder: BeamDecoder, names: list[str]) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]:
        """Confidence of each word, whether it is right, and to which half its utterance belongs."""
        found, _ = decode_all(decoder, self.log_probs, self.threads)
        spoken = [found[name].words for name in names]
        references = [self.wanted.texts[name].split() for name in names]
        right = words_right(references, [[word.word for word in words] for words in spoken])
        confidences = [word.confidence for words in spoken for word in words]
        half = [place % 2 for place, words in enumerate(spoken) for _ in words]
        return np.array(confidences), np.array(right, bool), np.array(half)

    def score_with(self, decoder: BeamDecoder) -> SystemScore:
        """The score of any decoder on the dev set."""
        return self._score(decoder)[0]

    def with_weights(self, trial: Trial) -> BeamDecoder:
        """The search with a trial's weights."""
        return self.decoder.with_settings(lm_weight=trial.lm_weight, word_score=trial.word_score)

    def _attempt(self, lm_weight: float, word_score: float) -> tuple[Trial, SystemScore]:
        score, _ = self._score(self.decoder.with_settings(lm_weight=lm_weight, word_score=word_score))
        trial = Trial(round(lm_weight, 3), round(word_score, 3), score.words.rate)
        if self.report is not None:
            self.report(trial)
        return trial, score

    def _score(self, decoder: BeamDecoder) -> tuple[SystemScore, float]:
        found, seconds = decode_all(decoder, self.log_probs, self.threads)
        return score_system(self.wanted, Texts({name: hyp.text for name, hyp in found.items()})), seconds


class NbestLists:
    """Best hypotheses of each utterance with their errors and the scores of two language models, kept apart."""

    def __init__(
        self, decoder: BeamDecoder, log_probs: LogProbs, model: WordModel, wanted: Texts, hypotheses: int
    ) -> None:
        self.words = 0
        self._rows = []
        for name, array in log_probs.items():
            found = decoder.decode(array, hypotheses, name)
            texts = [[word.word for word in hypothesis.words] for hypothesis in found]
            reference = wanted.texts[name].split()
            errors = np.array([alignment.counts.errors for alignment in align([reference] * len(texts), texts)])
            ngram = [np.array(decoder.lm.score_sentence(words)) for words in texts] if decoder.lm is not None else None
            acoustic = np.array([hypothesis.acoustic_score for hypothesis in found])
            self.words += len(reference)
            self._rows.append((errors, acoustic, ngram, sentence_scores(model, texts)))
        self._model = model

    def error_rate(self, share: float, lm_weight: float, word_score: float) -> float:
        """Errors per reference word if each list is ordered by these weights."""
        fusion = Fusion(self._model, share)
        total = 0
        for errors, acoustic, ngram, neural in self._rows:
            language = [
                fusion.mixed(scores, None if ngram is None else ngram[row]).sum() for row, scores in enumerate(neural)
            ]
            lengths = np.array([len(scores) - 1 for scores in neural])
            total += int(errors[np.argmax(acoustic + lm_weight * np.array(language) + word_score * lengths)])
        return total / max(1, self.words)


def _logit(confidences: Floats) -> Floats:
    values = np.clip(confidences, UNSURE, 1 - UNSURE)
    return np.asarray(np.log(values) - np.log1p(-values))


def _nearby(limits: tuple[float, float], random: np.random.Generator) -> float:
    return NARROWING * (limits[1] - limits[0]) * float(random.uniform(-1, 1))
