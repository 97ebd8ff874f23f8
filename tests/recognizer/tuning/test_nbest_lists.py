from __future__ import annotations

import numpy as np
import pytest

from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.fusion import Fusion
from asr.decode.hypothesis import Hypothesis, Word
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.tables import build_tables
from asr.recognizer.tuning.nbest_lists import LM_WEIGHTS, REACH, WORD_SCORES, NbestLists, Weights
from asr.recognizer.tuning.tuner import START, Tuner
from asr.score.edit_distance import align
from asr.score.text_files import Texts
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens
from tests.decode.test_beam import _log_probs

TEXT = ["a b ab", "a b", "b b", "ab a", "a a a b"] * 4
WORDS = ["a", "b", "ab", "ba"]


class Lengths:
    """A word model by which a word costs as much as it has letters."""

    def start(self):
        return 0

    def score(self, states, words):
        return np.array([-float(len(word)) for word in words]), [state + 1 for state in states]


def _hypothesis(text, acoustic, lm, weights):
    words = tuple(Word(word, 0, 1, 1.0) for word in text.split())
    language, reward = weights.lm_weight * lm, weights.word_score * len(words)
    return Hypothesis(words, acoustic + language + reward, acoustic, language, reward)


def _random_lists(random):
    references = {name: ["a", "b", "ab", "b"] for name in "xyz"}
    lists, rows = NbestLists(references, None), []
    for name in references:
        texts = {" ".join(random.choice(WORDS, random.integers(1, 7))) for _ in range(30)}
        for text, weights in zip(sorted(texts), [Weights(1.2, -0.625), Weights(0.7, 1.125)] * 20, strict=False):
            acoustic, lm = random.normal(-20, 4), random.normal(-8, 3)
            lists.add(name, [_hypothesis(text, acoustic, lm, weights)], weights)
            errors = align([references[name]], [text.split()])[0].counts.errors
            rows.append((name, errors, acoustic, lm, len(text.split())))
    return lists, rows


def _errors(rows, lm_weight, word_score):
    total = 0
    for name in "xyz":
        own = [row for row in rows if row[0] == name]
        total += max(own, key=lambda row: row[2] + lm_weight * row[3] + word_score * row[4])[1]
    return total


@pytest.mark.parametrize("seed", range(5))
def test_the_best_weights_are_those_of_brute_force(seed):
    lists, rows = _random_lists(np.random.default_rng(seed))
    tried = [Weights(1.2, -0.625), Weights(0.7, 1.125)]
    surface = {
        (row, column): _errors(rows, weight, score)
        for row, weight in enumerate(LM_WEIGHTS)
        for column, score in enumerate(WORD_SCORES)
        if any(abs(weight - t.lm_weight) <= REACH[0] and abs(score - t.word_score) <= REACH[1] for t in tried)
    }
    smooth = {
        (row, column): np.mean(
            [surface[r, c] for r in range(row - 1, row + 2) for c in range(column - 1, column + 2) if (r, c) in surface]
        )
        for row, column in surface
    }
    found = lists.best(tried)
    place = int(np.argmin(np.abs(LM_WEIGHTS - found.lm_weight))), int(np.argmin(np.abs(WORD_SCORES - found.word_score)))
    assert smooth[place] == pytest.approx(min(smooth.values()))
    assert found.neural_share == 0


def test_a_text_found_again_has_its_better_acoustic_score_and_stands_once():
    weights = Weights(1.0, 0.125)
    lists = NbestLists({"x": ["a"]}, None)
    lists.add("x", [_hypothesis("a", -9.0, -1.0, weights), _hypothesis("b", -7.0, -1.0, weights)], weights)
    lists.add("x", [_hypothesis("a", -5.0, -1.0, weights), _hypothesis("a", -8.0, -1.0, weights)], weights)
    errors, words, acoustic, (language,) = lists._padded()
    assert (errors.tolist(), words.tolist()) == ([[0.0, 1.0]], [[1.0, 1.0]])
    assert (acoustic.tolist(), language.tolist()) == ([[-5.0, -7.0]], [[-1.0, -1.0]])


def test_a_neural_model_s_scores_are_mixed_for_each_share():
    lm = build_tables(estimate(Corpus(TEXT), 2), "lm")
    model = Lengths()
    lists = NbestLists({"x": ["a"]}, lm, model, (0.3, 0.9))
    weights = Weights(1.0, 0.125)
    lists.add("x", [_hypothesis("a ab", -9.0, -1.0, weights)], weights)
    ngram = np.array(lm.score_sentence(["a", "ab"]))
    neural = np.array([-1.0, -2.0, -float(len("</s>"))])
    languages = lists._padded().languages
    for share, language in zip((0.3, 0.9), languages, strict=True):
        expected = np.log(share * np.exp(neural) + (1 - share) * np.exp(ngram)).sum()
        assert language[0, 0] == pytest.approx(expected)


def _decoder(**settings):
    tokens = Tokens(["<blank>", "|", "a", "b"])
    lexicon = Lexicon({word: [(*word, "|")] for word in WORDS})
    return BeamDecoder(tokens, lexicon, build_tables(estimate(Corpus(TEXT), 2), "lm"), BeamConfig(**settings))


def _said(decoder, log_probs):
    return Texts({name: decoder.decode(array)[0].text for name, array in log_probs.items()})


def test_the_weights_by_which_the_references_were_made_are_found():
    log_probs = {f"u{number}": _log_probs(40, 4, number, sharpness=1.5) for number in range(40)}
    wanted = _said(_decoder(lm_weight=1.7, word_score=1.875, beam_size=100), log_probs)
    shown = []
    found = Tuner(_decoder(beam_size=100), log_probs, wanted, report=shown.append).weights(8)
    first = found.trials[0]
    assert (first.lm_weight, first.word_score) == START[:2]
    assert first.wer > 0.3
    assert found.best.wer < 0.06
    assert found.best.wer == found.score.words.rate == min(trial.wer for trial in found.trials)
    assert len(found.trials) <= 8
    assert shown[: len(found.trials)] == found.trials


def test_a_neural_model_that_the_references_follow_is_found_to_help():
    log_probs = {f"u{number}": _log_probs(40, 4, number, sharpness=1.5) for number in range(40)}
    truth = _decoder(lm_weight=1.5, word_score=1.4, beam_size=100).with_fusion(Fusion(Lengths(), 0.85))
    tuner = Tuner(_decoder(beam_size=100), log_probs, _said(truth, log_probs))
    alone = tuner.weights(6)
    best, score = tuner.neural(alone.best, Lengths())
    assert best.wer == score.words.rate
    assert best.wer < 0.08 < alone.best.wer - 0.05, alone.best.wer
    assert best.neural_share > 0.5
