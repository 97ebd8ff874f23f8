"""Unknown words, hotwords, word models in the search, streaming: against brute force over all alignments."""

from __future__ import annotations

from itertools import groupby, product
from pathlib import Path

import numpy as np
import pytest

from asr._native import SearchSession
from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.build import SearchOptions, open_decoder
from asr.decode.fusion import UNKNOWN_LOG_PROB, Fusion, rescore
from asr.decode.hotwords import Hotword
from asr.decode.search.session import BeamSession
from asr.errors import ConfigError, TextError
from asr.lm.ngram.arpa import write_arpa
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.tables import build_tables
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens
from tests.decode.test_beam import BOUNDED, EXHAUSTIVE, TEXT, _log_probs

TOKENS = Tokens(["<blank>", "|", "a", "b"])
FRAMES = 6
MODEL = build_tables(estimate(Corpus(TEXT), 3))


class Bigrams:
    """A word model made of a bigram's scores, with the last word as its state; it does not know `stranger`."""

    def __init__(self, seed: int = 3, stranger: str | None = None) -> None:
        words = [*BOUNDED.spellings, "</s>"]
        scores = np.random.default_rng(seed).normal(size=(len(words) + 1, len(words)))
        self.scores = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        self.index = {word: place for place, word in enumerate(words)}
        self.stranger = stranger
        self.asked = 0

    def start(self):
        return len(self.index)

    def score(self, states, words):
        self.asked += len(words)
        found = [
            np.nan if word == self.stranger else self.scores[state, self.index[word]]
            for state, word in zip(states, words, strict=True)
        ]
        return found, [self.index[word] for word in words]


def _totals(log_probs):
    """Sum over all alignments of each token sequence."""
    totals: dict[tuple[int, ...], float] = {}
    for path in product(range(len(TOKENS)), repeat=len(log_probs)):
        collapsed = tuple(token for token, _ in groupby(path) if token != 0)
        score = float(sum(log_probs[frame, token] for frame, token in enumerate(path)))
        totals[collapsed] = np.logaddexp(totals.get(collapsed, -np.inf), score)
    return totals


def _expected(log_probs, language, lexicon=BOUNDED):
    """Scores of all word sequences of the lexicon, language scores given by a function of the words."""
    found: dict[tuple[str, ...], float] = {}
    totals = _totals(log_probs)
    for length in range(FRAMES + 1):
        for words in product(sorted(lexicon.spellings), repeat=length):
            ways = set()
            for spellings in product(*(lexicon.spellings[word] for word in words)):
                ids = tuple(TOKENS.ids[name] for way in spellings for name in way)
                ways |= {ids, ids[:-1]} if ids else {ids}
            scores = [totals[way] for way in ways if way in totals]
            if scores:
                found[words] = np.logaddexp.reduce(scores) + language(words)
    return found


def _spoken(letters):
    """Log-probabilities of letters said clearly, a blank after each."""
    rows = [row for letter in letters for row in (TOKENS.ids[letter], 0)]
    log_probs = np.full((len(rows), len(TOKENS)), np.log(0.05), np.float32)
    log_probs[np.arange(len(rows)), rows] = np.log(0.85)
    return log_probs


def _assert_equal(found, expected):
    assert {tuple(hypothesis.text.split()) for hypothesis in found} == set(expected)
    assert [h.score for h in found] == pytest.approx(sorted(expected.values(), reverse=True), abs=1e-3)
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(expected[tuple(hypothesis.text.split())], abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_hotwords_and_phrases_add_their_boost_wherever_they_stand(seed):
    phrases = {"ab": 1.5, "a b": 2.0, "b b a": 3.0, "b b": 0.5}

    def language(words):
        boost = sum(
            value
            for phrase, value in phrases.items()
            for place in range(len(words))
            if words[place : place + len(phrase.split())] == tuple(phrase.split())
        )
        return boost + 0.7 * sum(MODEL.score_sentence(list(words)))

    log_probs = _log_probs(FRAMES, 4, seed)
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL, BeamConfig(0.7, **EXHAUSTIVE)).with_hotwords(phrases)
    _assert_equal(decoder.decode(log_probs, nbest=10_000), _expected(log_probs, language))


def test_hotwords_that_cannot_be_spelled_are_named():
    with pytest.raises(TextError, match="'zebra' cannot be spelled"):
        BeamDecoder(TOKENS, BOUNDED).with_hotwords({"a zebra": 1.0})


@pytest.mark.parametrize("seed", range(3))
def test_words_that_the_lexicon_lacks_are_scored_as_unknown_ones_and_their_boost(seed):
    def language(words):
        return 2.0 * words.count("baa") + 0.7 * sum(MODEL.score_sentence(list(words)))

    log_probs = _log_probs(FRAMES, 4, seed)
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL, BeamConfig(0.7, **EXHAUSTIVE)).with_hotwords({"BaA": 2.0})
    longer = Lexicon({**BOUNDED.spellings, "baa": [("b", "a", "a", "|")]})
    expected = {
        tuple("BaA" if word == "baa" else word for word in words): score
        for words, score in _expected(log_probs, language, longer).items()
    }
    _assert_equal(decoder.decode(log_probs, nbest=10_000), expected)
    assert "baa" not in BeamDecoder(TOKENS, BOUNDED, MODEL).words
    assert decoder.with_hotwords({}).decode(log_probs, 9) == BeamDecoder(
        TOKENS, BOUNDED, MODEL, BeamConfig(0.7, **EXHAUSTIVE)
    ).decode(log_probs, 9)


def test_a_word_may_have_pronunciations_of_its_own():
    decoder = BeamDecoder(TOKENS, BOUNDED).with_hotwords(
        [Hotword("Ab", 5.0, ("b b",)), Hotword("a b", pronunciations=("a | a a",))]
    )
    assert [h.text for h in decoder.decode(_spoken("bb|"))] == ["Ab"]
    assert [h.text for h in decoder.decode(_spoken("ab|"))] == ["Ab"]
    with pytest.raises(TextError, match="'q' is no token"):
        decoder.with_hotwords([Hotword("x", pronunciations=("a q",))])
    with pytest.raises(ConfigError, match=r"put \| between words"):
        Hotword("a b", pronunciations=("a b",))


@pytest.mark.parametrize("seed", range(3))
def test_unknown_words_are_spelled_at_their_price(seed):
    price, letter = -1.0, -0.5
    log_probs = _log_probs(FRAMES, 4, seed)
    expected: dict[str, float] = {}
    for sequence, total in _totals(log_probs).items():
        text = "".join(TOKENS.names[token] for token in sequence)
        if text.startswith("|") or "||" in text:
            continue
        for words, ways in _readings(text.removesuffix("|").split("|") if text else []):
            strangers = [word for word in words if word.startswith("?")]
            known = ["<unk>" if word.startswith("?") else word for word in words]
            score = total + ways + 0.7 * sum(MODEL.score_sentence(known))
            score += sum(price + letter * (len(word) - 1) for word in strangers)
            key = " ".join(word.lstrip("?") for word in words)
            expected[key] = np.logaddexp(expected.get(key, -np.inf), score)
    config = BeamConfig(0.7, unknown_score=price, letter_score=letter, **EXHAUSTIVE)
    found = BeamDecoder(TOKENS, BOUNDED, MODEL, config).decode(log_probs, nbest=100_000)
    best: dict[str, float] = {}
    for hypothesis in found:  # a word may be known under one spelling and a stranger under another
        best[hypothesis.text] = np.logaddexp(best.get(hypothesis.text, -np.inf), hypothesis.score)
    assert set(best) == set(expected)
    for text, score in expected.items():
        assert best[text] == pytest.approx(score, abs=1e-3), text


@pytest.mark.parametrize("ended", ["|", ""])
def test_letters_of_an_unknown_word_cost_the_same_on_a_path_of_the_lexicon(ended):
    lexicon = Lexicon({"ab": [("a", "b", "|")], "aba": [("a", "b", "a", "|")]})
    decoder = BeamDecoder(TOKENS, lexicon, None, BeamConfig(unknown_score=0.0, letter_score=-0.1))
    for text in ("a", "b", "bb"):
        free = decoder.with_settings(letter_score=0.0).decode(_spoken(text + ended))[0]
        charged = decoder.decode(_spoken(text + ended))[0]
        assert (charged.text, free.text) == (text, text)
        assert free.score - charged.score == pytest.approx(0.1 * len(text), abs=1e-4)


def _readings(spelled):
    """What spelled words may be: each word of the lexicon so spelled, else a stranger."""
    choices = []
    for letters in spelled:
        known = [word for word, ways in BOUNDED.spellings.items() if (*letters, "|") in ways]
        choices.append(known or ["?" + letters])
    return [(words, 0.0) for words in product(*choices)]


def test_unknown_words_need_a_boundary():
    from asr.text.lexicon import Lexicon

    with pytest.raises(ConfigError, match="boundary"):
        BeamDecoder(Tokens(["<blank>", "a"]), Lexicon({"a": [("a",)]}), None, BeamConfig(unknown_score=0.0))


@pytest.mark.parametrize("every", [1, 2, 4, 50])
@pytest.mark.parametrize("with_ngram", [False, True])
def test_a_word_model_in_the_search_gives_the_scores_of_the_mixture(every, with_ngram):
    model, share = Bigrams(stranger="aa"), 0.4
    log_probs = _log_probs(FRAMES, 4, 1)
    expected = _expected(log_probs, _mixture(model, share, with_ngram))
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL if with_ngram else None, BeamConfig(0.7, **EXHAUSTIVE))
    fusion = Fusion(model, share, every, margin=np.inf if with_ngram else 0.0)  # without an n-gram there is no margin
    _assert_equal(decoder.with_fusion(fusion).decode(log_probs, nbest=10_000), expected)


@pytest.mark.parametrize("every", [1, 2, 50])
@pytest.mark.parametrize("margin", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("seed", range(4))
def test_hypotheses_within_the_margin_have_the_scores_of_the_mixture(every, margin, seed):
    model, share = Bigrams(stranger="aa"), 0.4
    log_probs = _log_probs(FRAMES, 4, seed)
    expected = _expected(log_probs, _mixture(model, share, True))
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL, BeamConfig(0.7, **EXHAUSTIVE))
    found = decoder.with_fusion(Fusion(model, share, every, margin)).decode(log_probs, nbest=10_000)
    lost = 2 * 0.7 * -np.log1p(-share)  # the most that the best can fall by when its last word and `</s>` are scored
    near = {tuple(h.text.split()): h.score for h in found if h.score > found[0].score - margin + lost}
    assert near == pytest.approx({words: expected[words] for words in near}, abs=1e-3)
    assert set(expected) == {tuple(h.text.split()) for h in found}
    others = [expected[tuple(h.text.split())] - h.score for h in found]
    assert max(np.abs(others)) > 0.01  # some did wait


@pytest.mark.parametrize("wrong", [{"share": 1.5}, {"every": 0}, {"margin": -1.0}, {"margin": np.nan}])
def test_a_fusion_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigError, match="neural language model"):
        Fusion(Bigrams(), **wrong)


def _mixture(model, share, with_ngram):
    """The weighted score of words, a word at a time."""

    def language(words):
        score, state = 0.0, model.start()
        ngram = MODEL.score_sentence(list(words))
        for word, old in zip([*words, "</s>"], ngram, strict=True):
            (neural,), (state,) = model.score([state], [word])
            if np.isnan(neural):
                score += old if with_ngram else UNKNOWN_LOG_PROB
            else:
                score += np.log(share * np.exp(neural) + (1 - share) * np.exp(old)) if with_ngram else neural
        return 0.7 * score

    return language


def test_kenlm_word_by_word_scores_unknown_words_as_its_arpa_file_does(tmp_path, monkeypatch, kenlm):
    def called_binary(path):  # kenlm reads ARPA files as well, so that no binary need be built
        return Path(path).name == "as-binary.arpa"

    monkeypatch.setattr("asr.decode.build.is_kenlm_binary", called_binary)
    monkeypatch.setattr("asr.lm.ngram.kenlm_binary.is_kenlm_binary", called_binary)
    lexicon = Lexicon({**BOUNDED.spellings, "bb": [("b", "b", "|")]})  # a word that the n-gram lacks
    found = {}
    for name in ("lm.arpa", "as-binary.arpa"):
        write_arpa(tmp_path / name, estimate(Corpus(TEXT), 3))
        options = SearchOptions(lexicon=lexicon, lm=tmp_path / name, settings={"lm_weight": 0.7, **EXHAUSTIVE})
        found[name] = open_decoder(TOKENS, options).decode(_log_probs(FRAMES, 4, 3), nbest=10_000)
    assert any("bb" in hypothesis.text.split() for hypothesis in found["lm.arpa"])
    _assert_equal(found["as-binary.arpa"], {tuple(h.text.split()): h.score for h in found["lm.arpa"]})


def test_rescoring_an_exhaustive_list_equals_searching_with_the_model():
    log_probs, fusion = _log_probs(FRAMES, 4, 2), Fusion(Bigrams(), 0.4, margin=np.inf)
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL, BeamConfig(0.7, **EXHAUSTIVE))
    fused = decoder.with_fusion(fusion).decode(log_probs, nbest=10_000)
    rescored = rescore(decoder.decode(log_probs, nbest=10_000), fusion, MODEL, 0.7)
    assert [h.text for h in rescored] == [h.text for h in fused]
    assert [h.score for h in rescored] == pytest.approx([h.score for h in fused], abs=1e-3)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_pieces_give_what_the_whole_gives(size):
    log_probs = _log_probs(150, 4, 5)
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL, BeamConfig(0.7, beam_size=20))
    session = decoder.start()
    for start in range(0, len(log_probs), size):
        session.feed(log_probs[start : start + size])
    assert session.finish(5) == decoder.decode(log_probs, 5)


def test_forgetting_dead_histories_changes_nothing():
    log_probs = _log_probs(2000, 4, 6, sharpness=1.0)
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL, BeamConfig(0.7, beam_size=40))
    found = []
    for rows in (1 << 20, 16):
        session = decoder.start()
        session.search = SearchSession(session.graph, rows)
        session.feed(log_probs)
        found.append((session.finish(5), session.search.rows))
    (never, untouched), (often, grown) = found
    assert often == never
    assert grown < untouched


def test_memory_does_not_grow_with_the_frames_beyond_the_result():
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL, BeamConfig(0.7, beam_size=40))
    session: BeamSession = decoder.start()
    first = session.search.rows
    session.feed(_log_probs(20_000, 4, 7))
    tokens = sum(len(word.tokens) for word in session.finish()[0].words)
    assert session.search.rows < 4 * max(tokens, first)


def test_tokens_of_a_word_have_their_frames():
    path = [0, 0, 2, 2, 0, 3, 0, 1, 0, 0, 3, 1, 0]
    log_probs = np.log(np.full((len(path), 4), 0.01, np.float32))
    log_probs[np.arange(len(path)), path] = np.log(0.97)
    words = BeamDecoder(TOKENS, BOUNDED).decode(log_probs)[0].words
    assert [word.tokens for word in words] == [((2, 2), (3, 5), (1, 7)), ((3, 10), (1, 11))]
