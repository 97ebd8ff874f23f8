"""Several n-gram models as one: the listed n-grams are the weighted sums, and everything sums to one."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from asr.errors import TextError
from asr.lm.ngram.arpa import write_arpa
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.merging import merge
from asr.lm.ngram.tables import build_tables


def _text(seed, words, sentences=80):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(list(words), size=random.integers(1, 6))) for _ in range(sentences)]


@pytest.fixture(scope="module")
def parts():
    """A pruned 3-gram and a bigram, of words that overlap."""
    return [
        estimate(Corpus(_text(1, "abcd")), 3, cutoffs=(0, 0, 1)),
        estimate(Corpus(_text(2, "cdef", 30)), 2),
    ]


def _listed(model):
    """(ln P, ln back-off) of every n-gram by its words."""
    return {
        tuple(model.words[index] for index in row): (float(score), float(after))
        for grams, scores, backoffs in zip(model.grams, model.log_probs, model.backoffs, strict=True)
        for row, score, after in zip(grams, scores, backoffs, strict=True)
    }


def _probability(listed, gram):
    """P(last | the words before) by the definition of a back-off model; 0 of a word that it lacks."""
    if gram in listed:
        return math.exp(listed[gram][0])
    if len(gram) == 1:
        return 0.0
    return math.exp(listed.get(gram[:-1], (0.0, 0.0))[1]) * _probability(listed, gram[1:])


def test_what_a_model_lists_gets_the_weighted_sum_of_all(parts, tmp_path):
    merged = _listed(merge(parts, [0.3, 0.7]))
    one, two = map(_listed, parts)
    assert set(merged) == set(one) | set(two)
    for gram, (score, _) in merged.items():
        if gram != ("<s>",):
            expected = 0.3 * _probability(one, gram) + 0.7 * _probability(two, gram)
            assert math.exp(score) == pytest.approx(expected, rel=1e-5)


def test_kenlm_reads_it_and_gives_the_same(parts, tmp_path, kenlm):
    merged = merge(parts, [0.3, 0.7])
    write_arpa(tmp_path / "both.arpa", merged)
    reference, table = kenlm.Model(str(tmp_path / "both.arpa")), build_tables(merged)
    for sentence in _text(8, "abcdef", 20):
        scores = [score * math.log(10) for score, _, _ in reference.full_scores(sentence)]
        assert table.score_sentence(sentence.split()) == pytest.approx(scores, abs=1e-4)


def test_the_words_after_every_history_sum_to_one(parts):
    table = build_tables(merge(parts, [0.5, 0.5]))
    nexts = [word for word in table.words if word != "<s>"]
    for history in [(), *itertools.product("abcdef", repeat=1), *itertools.product("abcdef", repeat=2)]:
        total = sum(
            math.exp(table.score_sentence([*history, word], end=False)[-1]) for word in nexts if word != "</s>"
        ) + math.exp(table.score_sentence(list(history))[-1])
        assert total == pytest.approx(1.0, abs=1e-4)


def test_all_weight_on_one_model_is_that_model(parts):
    alone, merged = build_tables(parts[0]), build_tables(merge(parts, [1.0, 0.0]))
    for sentence in _text(3, "abcd", 20):
        assert merged.score_sentence(sentence.split()) == pytest.approx(
            alone.score_sentence(sentence.split()), abs=1e-4
        )


def test_the_command_finds_weights_and_writes_one_model(tmp_path, run):
    texts = [_text(4, "abcd", 200), _text(5, "cdef", 200)]
    for number, lines in enumerate(texts):
        path = tmp_path / f"{number}.txt"
        path.write_text("\n".join(lines))
        assert run("lm", "ngram", path, "--order", 2, "--output", tmp_path / f"{number}.arpa")[0] == 0
    dev = tmp_path / "dev.txt"
    dev.write_text("\n".join(_text(6, "abcd", 30) + _text(7, "cdef", 10)))
    models = (tmp_path / "0.arpa", tmp_path / "1.arpa")
    both = tmp_path / "both.arpa.gz"
    code, out, errors = run("lm", "interpolate", *models, "--weights", "0.75,0.25", "--output", both, "--json")
    assert code == 0, errors
    assert json.loads(out) == {"weights": [0.75, 0.25]}
    perplexity = json.loads(run("lm", "score", both, dev, "--json")[1])["perplexity"]
    alone = [json.loads(run("lm", "score", model, dev, "--json")[1]) for model in models]
    assert perplexity < 40
    assert all(figures["unknown"] > 0 for figures in alone)
    assert run("lm", "interpolate", *models)[0] == 2
    code, _, errors = run("lm", "interpolate", tmp_path, "--weights", "1", "--output", both)
    assert code == 2
    assert "merges n-gram models" in errors


def test_weights_must_be_one_for_each(parts):
    with pytest.raises(TextError, match="one weight for each"):
        merge(parts, [1.0])


@pytest.mark.parametrize("threshold", [1e-4, 1e-3])
def test_one_model_is_pruned_as_it_is_when_it_is_estimated(threshold):
    text = _text(8, "abcdef", 300)
    full, pruned = (estimate(Corpus(text), 3, threshold=value) for value in (0.0, threshold))
    expected, merged = _listed(pruned), _listed(merge([full], [1.0], threshold, [text]))
    assert len(expected) < len(_listed(full))
    assert set(merged) == set(expected)
    for gram, (score, after) in merged.items():
        if gram != ("<s>",):
            assert (score, after) == pytest.approx(expected[gram], abs=1e-4)


def test_a_mixture_loses_the_bigrams_that_are_worth_little_by_the_sum_over_all_words():
    threshold = 2e-4
    texts = [_text(9, "abcdefgh", 100), _text(10, "efghij", 60)]
    parts = [estimate(Corpus(text), 2) for text in texts]
    full = _listed(merge(parts, [0.6, 0.4]))
    pruned = _listed(merge(parts, [0.6, 0.4], threshold, texts))
    bigrams = [gram for gram in full if len(gram) == 2]
    assert 0 < sum(len(gram) == 2 for gram in pruned) < len(bigrams)
    tokens = [[["<s>", *line.split(), "</s>"] for line in text] for text in texts]
    words = [gram[0] for gram in full if len(gram) == 1 and gram != ("<s>",)]
    for history, word in bigrams:
        shares = [sum(line.count(history) for line in text) / sum(map(len, text)) for text in tokens]
        before = {name: _probability(full, (history, name)) for name in words}
        others = {last for first, last in bigrams if first == history} - {word}
        lower = {name: _probability(full, (name,)) for name in words}
        weight = (1 - sum(before[name] for name in others)) / (1 - sum(lower[name] for name in others))
        after = {name: before[name] if name in others else weight * lower[name] for name in words}
        rise = math.expm1(
            (0.6 * shares[0] + 0.4 * shares[1])
            * sum(p * math.log(p / after[name]) for name, p in before.items() if p > 0)
        )
        if abs(rise / threshold - 1) > 1e-3:
            assert ((history, word) in pruned) == (rise >= threshold), (history, word)


def test_pruning_refuses_a_text_that_the_models_do_not_know(parts, tmp_path, run):
    for text in (["A B", "C A"], [], ["a x y z"]):
        with pytest.raises(TextError, match=r"text 2 .* the models know"):
            merge(parts, [0.5, 0.5], 1e-3, [["a b c"], text])
    (tmp_path / "upper.txt").write_text("\n".join(_text(12, "ABCD", 300)))
    upper, small = tmp_path / "upper.arpa", tmp_path / "small.arpa"
    assert run("lm", "ngram", tmp_path / "upper.txt", "--case", "keep", "--output", upper)[0] == 0
    prune = ("lm", "interpolate", upper, "--weights", "1", "--threshold", "1e-3", "--text", tmp_path / "upper.txt")
    code, _, errors = run(*prune, "--output", small)
    assert code == 1
    assert "another case" in errors
    assert not small.exists()
    assert run(*prune, "--output", small, "--case", "keep")[0] == 0
    assert run(*prune)[0] == 2  # no --output
    assert run(*prune, "--text", tmp_path / "upper.txt", "--output", small)[0] == 2
    code, _, errors = run(*prune[:-1], tmp_path / "nowhere.txt", "--output", small)
    assert "nowhere.txt does not exist" in errors


def test_a_model_without_n_grams_of_some_order_is_pruned(parts):
    text = ["a b c d"] * 3
    words_alone = merge(parts, [0.5, 0.5], 1.0, [text, text])
    assert [len(grams) for grams in words_alone.grams[1:]] == [0] * (words_alone.order - 1)
    again = merge([words_alone], [1.0], 1e-3, [text])
    assert [len(grams) for grams in again.grams] == [len(grams) for grams in words_alone.grams]


def test_pruning_needs_a_text_for_each_model(parts, tmp_path, run):
    with pytest.raises(TextError, match="one text for each"):
        merge(parts, [0.5, 0.5], 1e-3, [["a b"]])
    text, model, small = tmp_path / "text.txt", tmp_path / "lm.arpa", tmp_path / "small.arpa"
    text.write_text("\n".join(_text(11, "abcdef", 300)))
    assert run("lm", "ngram", text, "--output", model)[0] == 0
    arguments = ("lm", "interpolate", model, "--weights", "1", "--output", small, "--threshold", "1e-3")
    assert run(*arguments)[0] == 2
    assert run(*arguments, "--text", text, "--decimals", 3)[0] == 0
    sizes = [[int(line.split("=")[1]) for line in path.read_text().splitlines()[1:4]] for path in (model, small)]
    assert sizes[1][0] == sizes[0][0]
    assert sizes[1][2] < sizes[0][2]
    assert all(len(field.split(".")[-1]) <= 3 for field in small.read_text().split() if "." in field)


def test_unigrams_alone_have_nothing_to_prune():
    texts = [["a b a", "c"], ["b b d"]]
    models = [estimate(Corpus(text), 1) for text in texts]
    plain, pruned = merge(models, [0.5, 0.5]), merge(models, [0.5, 0.5], 0.1, texts)
    assert pruned.words == plain.words
    assert np.array_equal(pruned.log_probs[0], plain.log_probs[0])
