from __future__ import annotations

import math
from itertools import groupby, product

import numpy as np
import pytest

from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.greedy import greedy_tokens
from asr.errors import ConfigError, TextError
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.tables import build_tables
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

EXHAUSTIVE = {"beam_size": 20_000, "threshold": math.inf, "token_threshold": math.inf}


def _log_probs(frames: int, tokens: int, seed: int, sharpness: float = 2.0) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(size=(frames, tokens)) * sharpness
    return (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).astype(np.float32)


def _spelled(lexicon: Lexicon, tokens: Tokens, most_words: int, frames: int):
    """Every word sequence of at most `most_words` words with its token sequences that fit the frames; the boundary
    after the last word may be missing."""
    for length in range(most_words + 1):
        for words in product(sorted(lexicon.spellings), repeat=length):
            ways = set()
            for spellings in product(*(lexicon.spellings[word] for word in words)):
                ids = [tokens.ids[name] for way in spellings for name in way]
                ways.add(tuple(ids))
                if ids and ids[-1] == tokens.boundary:
                    ways.add(tuple(ids[:-1]))
            yield words, {way for way in ways if len(way) <= frames}


def _brute_force(log_probs, tokens, lexicon, model, config, most_words=3):
    """Scores of all word sequences by summing over all alignments, each found by collapsing every path."""
    totals: dict[tuple[int, ...], float] = {}
    for path in product(range(len(tokens)), repeat=len(log_probs)):
        collapsed = tuple(token for token, _ in groupby(path) if token != 0)
        score = float(sum(log_probs[frame, token] for frame, token in enumerate(path)))
        totals[collapsed] = np.logaddexp(totals.get(collapsed, -np.inf), score)
    scored = []
    for words, ways in _spelled(lexicon, tokens, most_words, len(log_probs)):
        found = [totals[way] for way in ways if way in totals]
        if found:
            language = config.lm_weight * sum(model.score_sentence(list(words))) if model else 0.0
            scored.append((np.logaddexp.reduce(found) + language + config.word_score * len(words), words))
    return sorted(scored, reverse=True)


BOUNDED = Lexicon(
    {"a": [("a", "|")], "ab": [("a", "b", "|")], "aa": [("a", "a", "|")], "b": [("b", "|"), ("a", "b", "|")]}
)
FREE = Lexicon(
    {"a": [("a",)], "ab": [("a", "b")], "aa": [("a", "a")], "b": [("b",), ("a", "b")], "bab": [("b", "a", "b")]}
)
TEXT = ["a b ab", "a b", "b b", "ab aa", "a a a b", "aa b ab", "b a"] * 3


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("with_lm", [False, True])
@pytest.mark.parametrize("lexicon", [BOUNDED, FREE], ids=["boundary", "no-boundary"])
def test_an_exhaustive_beam_equals_brute_force_over_all_alignments(seed, with_lm, lexicon):
    tokens = Tokens(["<blank>", "|", "a", "b"] if lexicon is BOUNDED else ["<blank>", "a", "b"])
    frames = 6 if lexicon is BOUNDED else 5
    log_probs = _log_probs(frames, len(tokens), seed)
    model = build_tables(estimate(Corpus(TEXT), 3)) if with_lm else None
    config = BeamConfig(lm_weight=0.7, word_score=0.3, **EXHAUSTIVE)
    expected = _brute_force(log_probs, tokens, lexicon, model, config, most_words=frames)
    found = BeamDecoder(tokens, lexicon, model, config).decode(log_probs, nbest=len(expected) + 5)
    assert {tuple(h.text.split()) for h in found} == {words for _, words in expected}
    assert [h.score for h in found] == pytest.approx([score for score, _ in expected], abs=1e-3)
    by_words = {words: score for score, words in expected}
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(by_words[tuple(hypothesis.text.split())], abs=1e-3)
        parts = hypothesis.acoustic_score + hypothesis.lm_score + hypothesis.word_score
        assert parts == pytest.approx(hypothesis.score, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_more_beam_comes_closer_to_the_best_score(seed):
    tokens = Tokens.characters("ab")
    model = build_tables(estimate(Corpus(TEXT), 2))
    log_probs = _log_probs(12, len(tokens), seed, sharpness=1.0)
    scores = [
        BeamDecoder(tokens, BOUNDED, model, BeamConfig(0.5, 0.0, beam_size=size, threshold=math.inf))
        .decode(log_probs)[0]
        .score
        for size in (3, 30, 300, 3000)
    ]
    assert scores[-1] >= max(scores) - 1e-6
    assert scores[-1] > -math.inf


def test_a_threshold_drops_what_is_far_below_the_best():
    tokens = Tokens.characters("ab")
    model = build_tables(estimate(Corpus(TEXT), 2))
    log_probs = _log_probs(12, len(tokens), 0, sharpness=1.0)
    counts, scores = [], []
    for threshold in (0.5, 3.0, 8.0, math.inf):
        config = BeamConfig(0.5, 0.0, beam_size=3000, threshold=threshold)
        found = BeamDecoder(tokens, BOUNDED, model, config).decode(log_probs, nbest=3000)
        counts.append(len(found))
        scores.append(found[0].score)
    assert counts == sorted(set(counts))
    assert scores[-1] == max(scores)
    assert scores[0] < scores[-1]
    with pytest.raises(ConfigError, match="thresholds"):
        BeamConfig(threshold=0.0)


def test_repeated_letters_need_a_blank_between_them():
    tokens = Tokens.characters("ab")
    rows = {"<blank>": 0, "|": 1, "a": 2}
    for path, text in ((["a", "a", "a", "|"], "a"), (["a", "<blank>", "a", "|"], "aa")):
        log_probs = np.full((4, len(tokens)), -9.0, np.float32)
        for frame, name in enumerate(path):
            log_probs[frame, rows[name]] = -0.01
        log_probs -= np.log(np.exp(log_probs).sum(axis=1, keepdims=True))
        assert BeamDecoder(tokens, BOUNDED).decode(log_probs)[0].text == text


def test_times_are_those_of_the_tokens():
    tokens = Tokens.characters("ab")
    path = [0, 0, 2, 2, 0, 3, 0, 1, 0, 0, 3, 1, 0]
    log_probs = np.log(np.full((len(path), 4), 0.01, np.float32))
    log_probs[np.arange(len(path)), path] = np.log(0.97)
    lexicon = Lexicon({"ab": [("a", "b", "|")], "b": [("b", "|")]})
    words = BeamDecoder(tokens, lexicon).decode(log_probs)[0].words
    assert [(word.word, word.start_frame, word.end_frame) for word in words] == [("ab", 2, 6), ("b", 10, 11)]
    assert all(word.confidence > 0.5 for word in words)


def test_uncertain_words_have_less_confidence():
    tokens = Tokens.characters("ab")
    probabilities = np.full((4, 4), 0.01)
    probabilities[:, :] = [
        [0.02, 0.02, 0.5, 0.46],
        [0.02, 0.96, 0.01, 0.01],
        [0.01, 0.01, 0.97, 0.01],
        [0.01, 0.97, 0.01, 0.01],
    ]
    hypothesis = BeamDecoder(tokens, BOUNDED).decode(np.log(probabilities))[0]
    assert hypothesis.text == "a a"
    assert hypothesis.words[0].confidence < hypothesis.words[1].confidence


@pytest.mark.parametrize("pieces", [1, 5])
def test_the_entropy_of_the_outputs_lowers_all_confidences(pieces):
    log_probs = _log_probs(30, 4, seed=8)
    decoder = BeamDecoder(Tokens.characters("ab"), BOUNDED)
    session = decoder.with_settings(confidence_entropy=0.7).start()
    for piece in np.array_split(log_probs, pieces):
        session.feed(piece)
    mean = -(np.exp(log_probs) * log_probs).sum(axis=1).mean()
    plain, found = decoder.decode(log_probs)[0].words, session.finish()[0].words
    assert [word.word for word in found] == [word.word for word in plain]
    assert 0.5 < mean < 1.0
    for left, right in zip(plain, found, strict=True):
        expected = left.confidence / (left.confidence + (1 - left.confidence) * math.exp(0.7 * mean))
        assert right.confidence == pytest.approx(expected, abs=2e-4)


def test_nothing_to_decode_gives_empty_text():
    tokens = Tokens.characters("ab")
    model = build_tables(estimate(Corpus(TEXT), 2))
    assert BeamDecoder(tokens, BOUNDED, model).decode(np.zeros((0, 4), np.float32))[0].text == ""
    blank = np.full((5, 4), -30.0, np.float32)
    blank[:, 0] = 0.0
    assert BeamDecoder(tokens, BOUNDED, model).decode(blank)[0].text == ""


def test_minus_infinity_in_the_input_gives_finite_scores():
    tokens = Tokens.characters("ab")
    log_probs = _log_probs(8, 4, 3)
    log_probs[log_probs < -2.5] = -np.inf
    log_probs -= np.log(np.exp(log_probs).sum(axis=1, keepdims=True))
    for hypothesis in BeamDecoder(tokens, BOUNDED, None, BeamConfig(threshold=1e9)).decode(log_probs, nbest=10):
        assert math.isfinite(hypothesis.score)


def test_inputs_that_are_no_log_probabilities_are_named():
    decoder = BeamDecoder(Tokens.characters("ab"), BOUNDED)
    good = _log_probs(5, 4, 0)
    for bad, message in (
        (_log_probs(5, 7, 0), "does not fit"),
        (np.exp(good), "above 0"),
        (good * 0 - 0.001, "do not sum to one"),
        (np.where(good == good[0, 0], np.nan, good), "NaN"),
    ):
        with pytest.raises(TextError, match=message):
            decoder.decode(bad)


def test_lexicons_and_models_that_do_not_fit_are_named():
    with pytest.raises(TextError, match="no token"):
        BeamDecoder(Tokens.characters("xy"), BOUNDED)
    upper = build_tables(estimate(Corpus([line.upper() for line in TEXT]), 2), "upper.arpa")
    with pytest.raises(TextError, match="upper case"):
        BeamDecoder(Tokens.characters("ab"), BOUNDED, upper)
    other = build_tables(estimate(Corpus(["x y z"]), 2), "other.arpa")
    with pytest.raises(TextError, match="knows 0"):
        BeamDecoder(Tokens.characters("ab"), BOUNDED, other)
    with pytest.raises(ConfigError, match="beam size"):
        BeamConfig(beam_size=0)


def test_greedy_takes_the_best_path():
    path = [0, 2, 2, 0, 2, 3, 3, 1, 0]
    log_probs = np.full((len(path), 4), -5.0)
    log_probs[np.arange(len(path)), path] = -0.1
    assert greedy_tokens(log_probs) == [(2, 1, 3), (2, 4, 5), (3, 5, 7), (1, 7, 8)]
    assert greedy_tokens(np.zeros((0, 4))) == []
