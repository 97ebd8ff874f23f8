"""Finding the search's weights on a dev set, from stored log-probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from asr.decode.beam import BeamDecoder
from asr.errors import TextError
from asr.recognizer.bulk import LogProbs, decode_all
from asr.score.report import SystemScore, compare, score_system
from asr.score.statistics import PairedTest
from asr.score.text_files import Texts

LM_WEIGHTS = (0.3, 2.0)  # searched first, evenly at random
WORD_SCORES = (-2.0, 3.0)
NARROWING = 0.25  # later draws scatter around the best so far with this share of the ranges


@dataclass(frozen=True)
class Trial:
    """One setting and the error rate it gave."""

    lm_weight: float
    word_score: float
    wer: float


@dataclass(frozen=True)
class Tuning:
    """All trials, the best one's score, and the paired test against no language model."""

    trials: list[Trial]
    best: Trial
    score: SystemScore
    without_lm: SystemScore
    test: PairedTest


def tune(
    decoder: BeamDecoder,
    log_probs: LogProbs,
    reference: Texts,
    trials: int = 20,
    threads: int = 1,
    seed: int = 1,
    report: Callable[[Trial], None] | None = None,
) -> Tuning:
    """Try weights at random, the first half over the whole range, the second around the best found.

    The setting without a language model has the word score that is best for it, of a few. Raises TextError if an
    utterance has no reference.
    """
    lost = [name for name in log_probs if name not in reference.texts]
    if lost:
        raise TextError(
            f"{len(lost)} utterances have no reference, first '{lost[0]}'; are these files of the same set?"
        )
    wanted = Texts({name: reference.texts[name] for name in log_probs}, reference.speakers)

    def attempt(lm_weight: float, word_score: float) -> tuple[Trial, SystemScore]:
        found, _ = decode_all(decoder.with_settings(lm_weight=lm_weight, word_score=word_score), log_probs, threads)
        score = score_system(wanted, Texts({name: hypothesis.text for name, hypothesis in found.items()}))
        trial = Trial(round(lm_weight, 3), round(word_score, 3), score.words.rate)
        if report is not None:
            report(trial)
        return trial, score

    random = np.random.default_rng(seed)
    results = [attempt(0.8, 0.0)]
    for number in range(1, trials):
        if number < trials / 2:
            weights = random.uniform(*LM_WEIGHTS), random.uniform(*WORD_SCORES)
        else:
            centre = min(results, key=lambda result: result[0].wer)[0]
            weights = (
                centre.lm_weight + _nearby(LM_WEIGHTS, random),
                centre.word_score + _nearby(WORD_SCORES, random),
            )
        results.append(attempt(max(0.0, weights[0]), weights[1]))
    best, score = min(results, key=lambda result: result[0].wer)
    _, without = min((attempt(0.0, word_score) for word_score in (-3.0, -1.0, 0.0)), key=lambda result: result[0].wer)
    return Tuning([trial for trial, _ in results], best, score, without, compare(without, score))


def _nearby(limits: tuple[float, float], random: np.random.Generator) -> float:
    return NARROWING * (limits[1] - limits[0]) * float(random.uniform(-1, 1))
