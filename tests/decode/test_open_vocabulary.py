from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest

from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.build import SearchOptions, open_decoder
from asr.decode.hotwords import Hotword
from asr.decode.open_vocabulary import TokenDecoder, is_token_model, token_lexicon
from asr.errors import ConfigError
from asr.lm.ngram.arpa import write_arpa
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.tables import build_tables
from asr.text.tokens import Tokens
from tests.decode.test_beam import EXHAUSTIVE, TEXT, _log_probs
from tests.decode.test_extras import MODEL, TOKENS, _totals

SPELLED = ["a b | a", "b b | a b |", "a | a | b a", "b a |"] * 5
TOKEN_MODEL = build_tables(estimate(Corpus(SPELLED), 3))


@pytest.mark.parametrize("seed", range(3))
def test_open_vocabulary_equals_brute_force_over_all_token_sequences(seed):
    log_probs = _log_probs(5, 4, seed)
    expected: dict[str, float] = {}
    for sequence, total in _totals(log_probs).items():
        names = [TOKENS.names[token] for token in sequence]
        score = total + 0.6 * sum(TOKEN_MODEL.score_sentence(names)) + 0.2 * len(names)
        text = " ".join("".join(names).replace("|", " ").split())
        expected[" ".join(names)] = score, text
    decoder = BeamDecoder(TOKENS, token_lexicon(TOKENS), TOKEN_MODEL, BeamConfig(0.6, 0.2, **EXHAUSTIVE))
    found = TokenDecoder(decoder).decode(log_probs, nbest=100_000)
    best = sorted(expected.values(), reverse=True)
    assert [hypothesis.score for hypothesis in found] == pytest.approx([score for score, _ in best], abs=1e-3)
    assert [hypothesis.text for hypothesis in found[:20]] == [text for _, text in best[:20]]


def test_a_model_over_tokens_opens_the_vocabulary(tmp_path):
    assert is_token_model(TOKEN_MODEL, TOKENS)
    assert not is_token_model(MODEL, TOKENS)  # words such as ab
    write_arpa(tmp_path / "tokens.arpa", estimate(Corpus(SPELLED), 2))
    write_arpa(tmp_path / "words.arpa", estimate(Corpus(TEXT), 2))
    assert open_decoder(TOKENS, SearchOptions(lm=tmp_path / "tokens.arpa")).words is None
    assert set(open_decoder(TOKENS, SearchOptions(lm=tmp_path / "words.arpa")).words or ()) == {"a", "b", "ab", "aa"}


def test_words_have_the_times_of_their_tokens():
    path = [0, 2, 0, 3, 0, 1, 0, 0, 3, 1]
    log_probs = np.log(np.full((len(path), 4), 0.01, np.float32))
    log_probs[np.arange(len(path)), path] = np.log(0.97)
    decoder = TokenDecoder(BeamDecoder(TOKENS, token_lexicon(TOKENS), None, BeamConfig(beam_size=20)))
    found = decoder.with_settings(beam_size=30).decode(log_probs)[0]
    assert [(word.word, word.start_frame, word.end_frame) for word in found.words] == [("ab", 1, 4), ("b", 8, 9)]
    assert found.words[0].tokens == ((2, 1), (3, 3))


def _uses(words: list[str], phrase: str) -> int:
    """How often a phrase stands among words, as whole words."""
    wanted = phrase.split()
    return sum(words[place : place + len(wanted)] == wanted for place in range(len(words)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("names", "hotwords"),
    [
        (["<blank>", "|", "a", "b"], {"a": 1.5, "b a": 2.0, "ab": -1.0, "a a": 0.7}),
        (["<blank>", "\u2581a", "\u2581b", "b", "\u2581"], {"a": 1.5, "b a": 2.0, "ab": -1.0, "bb": 1.1}),
        (["<blank>", "\u2581ab", "\u2581a", "b", "ba"], {"ab": 1.5, "ab a": 2.0, "aba": -1.0, "abba a": 0.5}),
    ],
    ids=["characters", "subwords", "long-subwords"],
)
def test_hotwords_are_whole_words_in_whatever_tokens_as_brute_force_has_it(names, hotwords, seed):
    tokens = Tokens(names)
    log_probs = _log_probs(5, len(names), seed)
    totals: dict[tuple[int, ...], float] = {}
    for path in product(range(len(names)), repeat=len(log_probs)):
        sequence = tuple(token for token, _ in groupby(path) if token != 0)
        score = float(sum(log_probs[frame, token] for frame, token in enumerate(path)))
        totals[sequence] = np.logaddexp(totals.get(sequence, -np.inf), score)
    expected: dict[str, list[float]] = {}
    for sequence, total in totals.items():
        words = tokens.join(sequence).split()
        boost = sum(nats * _uses(words, phrase) for phrase, nats in hotwords.items())
        expected.setdefault(" ".join(words), []).append(total + 0.2 * len(sequence) + boost)
    decoder = TokenDecoder(BeamDecoder(tokens, token_lexicon(tokens), None, BeamConfig(0.0, 0.2, **EXHAUSTIVE)))
    found: dict[str, list[float]] = {}
    for hypothesis in decoder.with_hotwords(hotwords).decode(log_probs, nbest=100_000):
        found.setdefault(hypothesis.text, []).append(hypothesis.score)
    assert found.keys() == expected.keys()
    for text, scores in expected.items():
        assert sorted(found[text]) == pytest.approx(sorted(scores), abs=1e-3), text


def test_a_hotword_is_written_as_the_user_does_and_not_favoured_within_words():
    tokens = Tokens.characters("abn")
    path = [tokens.ids[letter] for letter in "ban|an|"]
    log_probs = np.log(np.full((len(path), len(tokens)), 0.01, np.float32))
    log_probs[np.arange(len(path)), path] = np.log(0.96)
    decoder = TokenDecoder(BeamDecoder(tokens, token_lexicon(tokens), None, BeamConfig(beam_size=50)))
    plain = decoder.decode(log_probs)[0]
    favoured = decoder.with_hotwords([Hotword("An", 3.0)]).with_settings(beam_size=60).decode(log_probs)[0]
    assert (plain.text, favoured.text) == ("ban an", "ban An")
    assert favoured.score == pytest.approx(plain.score + 3.0, abs=1e-4)
    with pytest.raises(ConfigError, match=r"boost of the hotword 'an' must be a number within 100 nats"):
        decoder.with_hotwords({"an": float("nan")})
