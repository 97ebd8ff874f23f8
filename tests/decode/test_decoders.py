"""What all decoders have in common: sessions in pieces of any size, settings, what does not fit is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.build import SearchOptions, open_decoder
from asr.decode.decoder import Decoder
from asr.decode.fusion import Fusion
from asr.decode.greedy import GreedyDecoder
from asr.decode.hotwords import Hotword
from asr.decode.open_vocabulary import TokenDecoder, token_lexicon
from asr.errors import ConfigError, TextError
from asr.lm.ngram.arpa import write_arpa
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.tables import build_tables
from asr.text.lexicon import Lexicon
from asr.text.tokens import WORD_START, Tokens
from tests.decode.test_beam import BOUNDED, EXHAUSTIVE, TEXT, _brute_force, _log_probs
from tests.decode.test_extras import MODEL, TOKENS, Bigrams
from tests.decode.test_open_vocabulary import TOKEN_MODEL

CONFIG = BeamConfig(0.7, beam_size=25)
PIECES = Tokens(["<blank>", f"{WORD_START}a", "b", f"{WORD_START}b", "a"])


def _decoders() -> dict[str, Decoder]:
    beam = BeamDecoder(TOKENS, BOUNDED, MODEL, CONFIG)
    return {
        "greedy": GreedyDecoder(TOKENS),
        "lexicon": beam,
        "unknown words": beam.with_settings(unknown_score=-1.0),
        "hotwords": beam.with_hotwords({"ab": 2.0, "b b": 1.0}),
        "fusion": beam.with_fusion(Fusion(Bigrams(stranger="aa"), 0.4, every=7)),
        "rescoring": beam.with_rescoring(Fusion(Bigrams(), 0.4), 10),
        "tokens": TokenDecoder(BeamDecoder(TOKENS, token_lexicon(TOKENS), TOKEN_MODEL, CONFIG)),
    }


@pytest.mark.parametrize("kind", list(_decoders()))
def test_random_pieces_and_partial_results_between_them_change_nothing(kind):
    decoder = _decoders()[kind]
    random = np.random.default_rng(0)
    for seed, frames in enumerate((0, 1, 21, 140, 150)):
        log_probs = _log_probs(frames, 4, seed, sharpness=1.5)
        whole = decoder.decode(log_probs, nbest=4)
        session = decoder.start()
        first = 0
        while first < frames:
            size = int(random.integers(0, 12))
            session.feed(log_probs[first : first + size])
            first += size
            if random.random() < 0.5:
                session.partial()
        assert session.finish(4) == whole
        with pytest.raises(RuntimeError, match="has ended"):
            session.feed(log_probs)


@pytest.mark.parametrize("kind", list(_decoders()))
def test_a_partial_result_is_what_the_utterance_so_far_gives(kind):
    decoder = _decoders()[kind]
    log_probs = _log_probs(60, 4, 3, sharpness=3.0)
    session = decoder.start()
    for first, end in ((0, 20), (20, 41), (41, 60)):
        session.feed(log_probs[first:end])
        if kind in ("fusion", "rescoring"):  # the model's last scores come with `finish`
            assert session.partial().words
        else:
            assert session.partial() == decoder.decode(log_probs[:end])[0]


@pytest.mark.parametrize("kind", list(_decoders()))
def test_a_partial_result_with_a_guess_at_what_comes_leaves_the_session_as_it_was(kind):
    decoder = _decoders()[kind]
    log_probs, guess = _log_probs(60, 4, 3, sharpness=3.0), _log_probs(25, 4, 8, sharpness=3.0)
    session, other = decoder.start(), decoder.start()
    for first, end in ((0, 20), (20, 41), (41, 60)):
        session.feed(log_probs[first:end])
        other.feed(log_probs[first:end])
        ahead = session.partial(guess)
        if kind not in ("fusion", "rescoring"):
            assert ahead == decoder.decode(np.concatenate([log_probs[:end], guess]))[0]
        assert len(ahead.words) > len(session.partial().words)
        assert session.partial(guess[:0]) == session.partial() == other.partial()
    with pytest.raises(TextError, match="log-prob"):
        session.partial(np.zeros((3, 9), np.float32))
    assert session.finish(3) == other.finish(3) == decoder.decode(log_probs, nbest=3)


def test_no_word_is_scored_twice_after_the_same_words():
    class Counting(Bigrams):
        def __init__(self):
            super().__init__()
            self.pairs = []

        def start(self):
            return ()

        def score(self, states, words):
            self.pairs += [(*state, word) for state, word in zip(states, words, strict=True)]
            scores, _ = super().score([self.index[state[-1]] if state else len(self.index) for state in states], words)
            return scores, [(*state, word) for state, word in zip(states, words, strict=True)]

    model = Counting()
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL, BeamConfig(0.7, beam_size=30)).with_fusion(Fusion(model, 0.5, 1))
    session = decoder.start()
    for row in _log_probs(40, 4, 1, sharpness=1.0):
        session.feed(row[None])
    asked = len(model.pairs)
    assert asked == len(set(model.pairs)) > 50
    session.finish()
    ends = [pair for pair in model.pairs[asked:] if pair[-1] == "</s>"]
    assert 0 < len(ends) <= 60  # one for each hypothesis with and without the word at hand


def test_threads_may_share_a_decoder_but_not_a_session():
    decoder = _decoders()["hotwords"]
    arrays = [_log_probs(80, 4, seed) for seed in range(40)]
    alone = [decoder.decode(array, 3) for array in arrays]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda array: decoder.decode(array, 3), arrays)) == alone


def test_settings_that_there_are_not_are_refused():
    for decoder in _decoders().values():
        assert decoder.with_settings(beam_size=7).config.beam_size == 7
        with pytest.raises(ConfigError, match="no setting 'beam_sise'"):
            decoder.with_settings(beam_sise=7)


def test_hotwords_and_word_models_are_refused_where_they_would_have_no_effect(tmp_path):
    for kind in ("greedy", "tokens"):
        decoder = _decoders()[kind]
        assert decoder.with_hotwords({}).with_fusion(None).decode(_log_probs(9, 4, 0)) == decoder.decode(
            _log_probs(9, 4, 0)
        )
        for change in (
            lambda decoder: decoder.with_fusion(Fusion(Bigrams())),
            lambda decoder: decoder.with_rescoring(Fusion(Bigrams()), 10),
        ):
            with pytest.raises(ConfigError, match="give a lexicon"):
                change(decoder)
    with pytest.raises(ConfigError, match="give a lexicon"):
        _decoders()["greedy"].with_hotwords({"ab": 1.0})
    write_arpa(tmp_path / "tokens.arpa", estimate(Corpus(["a b | a b |"] * 5), 2))
    with pytest.raises(ConfigError, match="model over tokens"):
        open_decoder(TOKENS, SearchOptions(lm=tmp_path / "tokens.arpa", neural_lm=tmp_path))


def test_a_token_decoder_favours_phrases_as_whole_words():
    random = np.random.default_rng(3)
    plain = _decoders()["tokens"]
    gained = 0
    for _ in range(20):
        log_probs = _log_probs(14, 4, int(random.integers(1000)))
        favoured = plain.with_hotwords({"BA ab": 9.0})
        best, before = favoured.decode(log_probs)[0], plain.decode(log_probs)[0]
        was_there = " ba ab " in f" {before.text} "
        gained += "BA ab" in best.text and not was_there
        assert "BA ab" in best.text or not was_there
        assert favoured.with_hotwords({}).decode(log_probs) == plain.decode(log_probs)
    assert gained
    with pytest.raises(TextError, match="'zebra' cannot be spelled"):
        plain.with_hotwords(["zebra"])
    with pytest.raises(ConfigError, match="needs no pronunciation"):
        plain.with_hotwords([Hotword("ab", pronunciations=("a b",))])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("with_lm", [False, True])
def test_a_lexicon_in_subwords_equals_brute_force_over_all_alignments(seed, with_lm):
    words = ["a", "ab", "b", "ba", "bab"]
    lexicon = Lexicon({word: [tuple(PIECES.names[i] for i in PIECES.spell(word))] for word in words})
    assert lexicon.spellings["bab"] == [(f"{WORD_START}b", "a", "b")]
    model = build_tables(estimate(Corpus(["a b ab", "bab a", "b ba ba"] * 3), 2)) if with_lm else None
    config = BeamConfig(0.7, 0.2, **EXHAUSTIVE)
    log_probs = _log_probs(5, len(PIECES), seed)
    expected = _brute_force(log_probs, PIECES, lexicon, model, config, most_words=5)
    found = BeamDecoder(PIECES, lexicon, model, config).decode(log_probs, nbest=len(expected) + 5)
    assert [h.score for h in found] == pytest.approx([score for score, _ in expected], abs=1e-3)
    assert [tuple(h.text.split()) for h in found[:10]] == [words for _, words in expected[:10]]


def test_subwords_are_joined_to_words_with_their_times():
    path = [0, 1, 1, 2, 0, 2, 3, 0, 4, 0, 1]
    log_probs = np.log(np.full((len(path), len(PIECES)), 0.01, np.float32))
    log_probs[np.arange(len(path)), path] = np.log(0.96)
    expected = [("abb", 1, 6, (1, 2, 2)), ("ba", 6, 9, (3, 4)), ("a", 10, 11, (1,))]
    tokens = TokenDecoder(BeamDecoder(PIECES, token_lexicon(PIECES), None, BeamConfig(beam_size=20)))
    for decoder in (GreedyDecoder(PIECES), tokens):
        words = decoder.decode(log_probs)[0].words
        assert [(w.word, w.start_frame, w.end_frame, tuple(t for t, _ in w.tokens)) for w in words] == expected
        assert all(word.confidence > 0.5 for word in words)


def test_a_word_model_without_a_lexicon_is_spelled_in_subwords(tmp_path):
    write_arpa(tmp_path / "words.arpa", estimate(Corpus(TEXT), 2))
    decoder = open_decoder(PIECES, SearchOptions(lm=tmp_path / "words.arpa"))
    assert set(decoder.words) == {"a", "aa", "ab", "b"}
    write_arpa(tmp_path / "pieces.arpa", estimate(Corpus([f"{WORD_START}a b {WORD_START}b a"] * 5), 2))
    assert isinstance(open_decoder(PIECES, SearchOptions(lm=tmp_path / "pieces.arpa")), TokenDecoder)


def test_extreme_weights_leave_a_hypothesis():
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL, BeamConfig(lm_weight=100.0))
    assert len(decoder.decode(_log_probs(30, 4, 0))) == 1
    with pytest.raises(ConfigError, match="within 100"):
        BeamConfig(lm_weight=5000.0)


def test_the_compiled_parts_need_neither_numba_nor_torch():
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['numba'] = sys.modules['torch'] = None; "
        "from asr.decode.build import open_decoder; from asr.model_package import ModelPackage; "
        "from asr.shipped import model_folder; open_decoder(ModelPackage.open(model_folder('english')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
