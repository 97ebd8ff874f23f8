"""Sentences drawn from language models: what truncation keeps against every subset, frequencies, lengths, commands."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from asr.errors import ConfigError
from asr.lm.lstm.folder import LstmLmFolder, save_lm
from asr.lm.lstm.next_words import LstmNextWords
from asr.lm.ngram.arpa import read_arpa, write_arpa
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.next_words import NgramNextWords
from asr.lm.ngram.tables import NgramWordModel, build_tables
from asr.lm.sampling import Sampler, Sampling, kept_scores
from asr.text.lm_units import Units

CONFIG = {"embedding_size": 2, "hidden_size": 2, "num_layers": 1, "cutoffs": []}
WORDS = ["</s>", "<unk>", "a", "b", "c", "d", "e"]
PROBABILITIES = [0.12, 0.2, 0.05, 0.3, 0.18, 0.07, 0.08]


def _folder(words, probabilities, units=None):
    """A model that gives its words the same probabilities after every history."""
    sizes = {
        "embedding.weight": (len(words), 2), "recurrent.forwards.0.weight_ih_l0": (8, 2),
        "recurrent.forwards.0.weight_hh_l0": (8, 2), "recurrent.forwards.0.bias_ih_l0": (8,),
        "recurrent.forwards.0.bias_hh_l0": (8,), "output.weight": (len(words), 2),
    }  # fmt: skip
    arrays = {name: np.zeros(size, np.float32) for name, size in sizes.items()}
    arrays["output.bias"] = np.log(probabilities).astype(np.float32)
    return LstmLmFolder(arrays, CONFIG, words, "test", units)


def _sampler(words, probabilities, sampling, units=None, seed=1):
    return Sampler(LstmNextWords(_folder(words, probabilities, units)), units, sampling, seed)


def _kept_by_brute_force(shares, top_k, top_p):
    """Of all sets of at most top_k words, normalised over the best such set, the smallest that has top_p."""
    places = range(len(shares))
    total = max(sum(shares[list(some)]) for some in combinations(places, top_k or len(shares)))
    for size in range(1, len(shares) + 1):
        enough = [some for some in combinations(places, size) if sum(shares[list(some)]) >= top_p * total - 1e-12]
        if enough:
            return set(max(enough, key=lambda some: sum(shares[list(some)])))
    raise AssertionError


@pytest.mark.parametrize("seed", range(12))
def test_the_kept_words_are_the_best_of_all_subsets(seed):
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(8, 0.5))
    scores = np.log(shares) + random.normal()  # not normalised
    for top_k in (0, 1, 3, 8, 20):
        for top_p in (0.05, 0.3, 0.9, 0.99, 1.0):
            kept = kept_scores(scores, top_k, top_p)
            found = set(np.flatnonzero(np.isfinite(kept)).tolist())
            assert found == _kept_by_brute_force(shares, min(top_k, 8), top_p), (top_k, top_p)
            assert all(kept[place] == scores[place] for place in found)


def test_a_share_that_words_have_exactly_takes_no_further_word():
    scores = np.log([0.125, 0.5, 0.25, 0.125])
    for top_p, places in ((0.5, [1]), (0.75, [1, 2]), (0.76, [0, 1, 2]), (1e-9, [1])):
        assert np.flatnonzero(np.isfinite(kept_scores(scores, 0, top_p))).tolist() == places
    ties = kept_scores(np.zeros(5), 2)
    assert np.flatnonzero(np.isfinite(ties)).tolist() == [0, 1]
    assert np.flatnonzero(np.isfinite(kept_scores(np.array([-np.inf, 0, -np.inf]), 0, 0.999))).tolist() == [1]


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(max_words=1), {0, 2, 3, 4, 5, 6}),
        (Sampling(top_k=3, max_words=1), {0, 3, 4}),
        (Sampling(top_p=0.5, max_words=1), {3, 4}),  # 0.48 of 0.8: without the unknown word
        (Sampling(temperature=4.0, top_p=0.5, max_words=1), {0, 3, 4}),
        (Sampling(temperature=0.5, top_k=4, top_p=0.7, max_words=1), {3, 4}),
    ],
)
def test_words_are_drawn_as_often_as_the_kept_ones_share_the_probability(sampling, kept):
    sampler = _sampler(WORDS, PROBABILITIES, sampling, seed=3)
    count = 4000
    drawn = Counter(sampler.draw() or "</s>" for _ in range(count))
    flat = np.array(PROBABILITIES) ** (1 / sampling.temperature)
    assert {WORDS.index(word) for word in drawn} == kept
    for place in kept:
        expected = flat[place] / flat[list(kept)].sum()
        assert drawn[WORDS[place]] / count == pytest.approx(expected, abs=4.5 * np.sqrt(0.25 / count))


def test_a_sentence_of_characters_is_cut_after_so_many_words():
    """They were counted in place of words."""
    units = ["</s>", "<unk>", "a", "b", "▁"]
    sampler = _sampler(units, [1e-9, 0.1, 0.4, 0.4, 0.1], Sampling(max_words=7), Units("characters"))
    texts = [sampler.draw() for _ in range(20)]
    assert max(len(text.split()) for text in texts) == 7
    assert max(len(text) for text in texts) > 40
    endless = _sampler(units, [1e-9, 0.1, 0.4, 0.5, 1e-9], Sampling(max_words=2), Units("characters"))
    assert len(endless.draw()) == 100, "words that do not end are cut, too"


def test_impossible_settings_are_refused():
    for wrong in (
        {"top_p": 0.0}, {"top_p": 1.1}, {"top_k": -1}, {"temperature": 0.0}, {"max_words": 0},
        {"temperature": math.nan}, {"temperature": math.inf}, {"top_p": math.nan},
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="must be above 0"):
            Sampling(**wrong)


def test_the_command_draws_from_the_most_probable_words(run, tmp_path):
    folder = _folder(WORDS, PROBABILITIES)
    save_lm(tmp_path / "lm", folder.arrays, CONFIG, WORDS)
    options = ["lm", "sample", tmp_path / "lm", "--sentences", 20, "--max-words", 4]
    assert set(run(*options, "--top-k", 1)[1].splitlines()) == {"b b b b"}
    assert set(run(*options, "--top-p", 0.3, "--seed", 2)[1].splitlines()) == {"b b b b"}
    assert set(run(*options, "--top-k", 3)[1].split()) == {"b", "c"}
    assert set(run(*options)[1].split()) == {"a", "b", "c", "d", "e"}
    for wrong in (["--top-p", 0], ["--top-p", 1.5], ["--top-k", -1]):
        assert run(*options, *wrong)[0] == 2


@pytest.fixture(scope="module")
def ngrams():
    """A 4-gram model of made-up sentences, some of its n-grams pruned."""
    random = np.random.default_rng(5)
    lines = []
    for _ in range(400):
        places = random.integers(0, 8, random.integers(1, 9)).cumsum() % 11
        lines.append(" ".join(f"w{place}" for place in places))
    return estimate(Corpus(lines), 4, [0, 0, 1, 1])


@pytest.mark.parametrize("order", [1, 2, 4])
def test_the_scores_of_all_words_are_those_of_the_searchs_tables(ngrams, order):
    """Those equal KenLM's (test_ngram.py)."""
    lines = ["w1 w2 w3 w1 w2", "w2", "w3 w1 w1 w2 w5", "w5 w5"]
    model = ngrams if order == 4 else estimate(Corpus(lines), order)
    words, tables = NgramNextWords(model), NgramWordModel(build_tables(model), score_unknown=True)
    random = np.random.default_rng(order)
    places = [place for place, word in enumerate(model.words) if word not in ("<s>", "</s>")]
    for _ in range(60):
        state, other = words.start(), tables.start()
        for place in random.choice(places, random.integers(0, 6)).tolist():
            state = words.after(state, place)
            other = tables.score([other], [model.words[place]])[1][0]
        scores = words.next_scores(state)
        expected = tables.score([other] * len(model.words), model.words)[0]
        np.testing.assert_allclose(scores, expected, rtol=1e-6)
        shares = np.exp(np.delete(scores, model.words.index("<s>")))
        assert shares.sum() == pytest.approx(1, abs=1e-5)


def test_words_of_n_grams_are_drawn_as_often_as_the_model_says(ngrams):
    sampler = Sampler(NgramNextWords(ngrams), seed=2)
    tables = NgramWordModel(build_tables(ngrams), score_unknown=True)
    words = [word for word in ngrams.words if word not in ("<s>", "<unk>")]
    following: dict[tuple[str, ...], Counter[str]] = {}
    for _ in range(4000):
        sentence = ["<s>", *sampler.draw().split(), "</s>"]
        for place in range(1, len(sentence)):
            following.setdefault(tuple(sentence[max(0, place - 3) : place]), Counter())[sentence[place]] += 1
    often = sorted(following, key=lambda history: -following[history].total())[:20]
    for history in often:
        state = tables.start() if history[0] == "<s>" else ()
        for word in history[history[0] == "<s>" :]:
            state = tables.score([state], [word])[1][0]
        shares = np.exp(tables.score([state] * len(words), words)[0])
        shares /= shares.sum()  # without the unknown word
        count = following[history].total()
        assert count > 60
        for word, share in zip(words, shares, strict=True):
            spread = np.sqrt(share * (1 - share) / count)
            assert following[history][word] / count == pytest.approx(share, abs=5 * spread + 2 / count), (history, word)


def test_the_command_draws_from_n_grams(run, ngrams, tmp_path):
    write_arpa(tmp_path / "lm.arpa.gz", ngrams)
    code, out, _ = run("lm", "sample", tmp_path / "lm.arpa.gz", "--sentences", 30, "--max-words", 5)
    assert code == 0
    assert len(out.splitlines()) == 30
    assert set(out.split()) <= {f"w{place}" for place in range(11)}
    assert run("lm", "convert", tmp_path / "lm.arpa.gz", "--output", tmp_path / "lm.ngrams", "--decimals", 6)[0] == 0
    assert run("lm", "sample", tmp_path / "lm.ngrams", "--top-k", 1)[1].splitlines() == 5 * [
        " ".join(_most_probable(read_arpa(tmp_path / "lm.arpa.gz")))
    ]
    code, _, stderr = run("lm", "sample", tmp_path / "none")
    assert code == 1
    assert "does not exist" in stderr


def _most_probable(model):
    """The sentence of the most probable word after each, by the search's tables."""
    tables, words = NgramWordModel(build_tables(model)), [w for w in model.words if w not in ("<s>", "<unk>")]
    state, sentence = tables.start(), []
    while len(sentence) < 50:
        word = words[int(tables.score([state] * len(words), words)[0].argmax())]
        if word == "</s>":
            break
        sentence.append(word)
        state = tables.score([state], [word])[1][0]
    return sentence
