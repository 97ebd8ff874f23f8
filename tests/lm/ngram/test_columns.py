"""N-gram models in columns: the same model as in ARPA, whatever the words and scores; damaged files are named."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from asr.errors import TextError
from asr.lm.ngram.arpa import LN10, ArpaModel, write_arpa
from asr.lm.ngram.columns import MAGIC, read_columns, write_columns
from asr.lm.ngram.files import read_ngrams, write_ngrams
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.tables import load_ngram

Entries = dict[tuple[str, ...], tuple[float, float]]


def _random_model(seed: int, order: int, size: int = 40) -> ArpaModel:
    """A model of random n-grams whose beginnings are listed; words in no order, some of them with equal scores."""
    dice = np.random.default_rng(seed)
    words = ["</s>", "<s>", "<unk>", *(f"{chr(0x61 + index % 26)}é{index}" for index in range(size - 3))]
    dice.shuffle(words)
    grams = [np.arange(size, dtype=np.int32).reshape(-1, 1)]
    for length in range(2, order + 1):
        below = grams[-1]
        pairs = {(dice.integers(len(below)), dice.integers(size)) for _ in range(dice.integers(0, 120 * length))}
        rows = [[*below[begin], last] for begin, last in sorted(pairs, key=lambda pair: dice.random())]
        grams.append(np.array(rows, np.int32).reshape(-1, length))
    log_probs = [-dice.integers(0, 30, len(rows)).astype(np.float32) / 7 for rows in grams]
    log_probs[0][words.index("<s>")] = -99 * LN10
    backoffs = [
        dice.choice([-1.7, -0.3, 0.0, 0.2], len(rows)).astype(np.float32) * (len(rows[0]) < order if len(rows) else 0)
        for rows in grams
    ]
    return ArpaModel(words, grams, log_probs, backoffs)


def _entries(model: ArpaModel) -> Entries:
    return {
        tuple(model.words[index] for index in gram): (float(score), float(weight))
        for rows, scores, weights in zip(model.grams, model.log_probs, model.backoffs, strict=True)
        for gram, score, weight in zip(rows.tolist(), scores, weights, strict=True)
    }


@pytest.mark.parametrize("decimals", [1, 2, 5])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_every_n_gram_comes_back_with_its_rounded_scores(tmp_path, order, decimals):
    for seed in range(4):
        model = _random_model(seed, order)
        path = tmp_path / f"{seed}.ngrams.xz"
        write_columns(path, model, decimals)
        found, expected = _entries(read_columns(path)), _entries(model)
        assert found.keys() == expected.keys()
        rounded = {gram: tuple(round(value / LN10, decimals) for value in values) for gram, values in expected.items()}
        for gram, values in found.items():
            assert np.array(values) / LN10 == pytest.approx(rounded[gram], abs=2e-5)


def test_words_come_from_the_likeliest_to_the_rarest_and_n_grams_sorted(tmp_path):
    write_columns(tmp_path / "lm.ngrams", _random_model(7, 3))
    model = read_columns(tmp_path / "lm.ngrams")
    keys = [(-round(float(score) / LN10, 2), word) for score, word in zip(model.log_probs[0], model.words, strict=True)]
    assert keys == sorted(keys)
    for rows in model.grams:
        assert rows.tolist() == sorted(rows.tolist())


def test_both_forms_give_the_same_scores_in_the_search(tmp_path):
    model = estimate(Corpus(["a b c a", "b c a", "c c a b b", "a c b"] * 3), 3)
    write_ngrams(tmp_path / "lm.arpa", model, decimals=2)
    write_ngrams(tmp_path / "lm.ngrams.gz", model)
    arpa, columns = load_ngram(tmp_path / "lm.arpa"), load_ngram(tmp_path / "lm.ngrams.gz")
    assert (tmp_path / "lm.arpa").read_bytes().startswith(b"\\data")
    assert columns.arrays.order == 3
    for sentence in ("a b c a", "c b a a b", "nothing known here a b", ""):
        assert columns.score_sentence(sentence.split()) == pytest.approx(
            arpa.score_sentence(sentence.split()), abs=2e-6
        )


def test_what_a_file_is_tells_its_content_and_not_its_name(tmp_path):
    model = _random_model(1, 3)
    write_columns(tmp_path / "columns", model)
    (tmp_path / "lm.arpa").write_bytes((tmp_path / "columns").read_bytes())
    write_arpa(tmp_path / "text", model)
    (tmp_path / "lm.ngrams").write_bytes((tmp_path / "text").read_bytes())
    assert _entries(read_ngrams(tmp_path / "lm.arpa")).keys() == _entries(read_ngrams(tmp_path / "lm.ngrams")).keys()


def test_an_n_gram_without_its_beginning_is_refused_before_anything_is_written(tmp_path):
    model = _random_model(3, 3)
    lost = ArpaModel(model.words, [model.grams[0], model.grams[1][:5], model.grams[2]], model.log_probs, model.backoffs)
    (tmp_path / "lm.ngrams").write_text("old")
    with pytest.raises(TextError, match="3-grams begin with words that it does not list"):
        write_columns(tmp_path / "lm.ngrams", lost)
    assert (tmp_path / "lm.ngrams").read_text() == "old"


def test_an_n_gram_that_is_listed_twice_is_refused(tmp_path):
    model = _random_model(3, 2)
    twice = np.concatenate([model.grams[1], model.grams[1][:1]])
    scores = [np.zeros(len(rows), np.float32) for rows in (model.words, twice)]
    with pytest.raises(TextError, match="a 2-gram twice"):
        write_columns(tmp_path / "lm.ngrams", ArpaModel(model.words, [model.grams[0], twice], scores, scores))


def _changed(content: bytes, **values: object) -> bytes:
    """The file with other values in its header."""
    header, rest = content[len(MAGIC) :].split(b"\n", 1)
    return MAGIC + json.dumps(json.loads(header) | values).encode() + b"\n" + rest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], "columns are missing"),
        (lambda content: content + b"x", "something stands behind"),
        (lambda content: MAGIC, "header|Expecting"),
        (lambda content: _changed(content, counts=[]), "0 orders"),
        (lambda content: _changed(content, counts=[40, 1 << 39, 1 << 39]), "columns are missing"),
        (lambda content: _changed(content, counts=[40, 3, 4]), "not as many"),
        (lambda content: _changed(content, decimals=-1), "no number"),
        (lambda content: _changed(content, word_bytes=20), "different words"),
        (lambda content: _changed(content, columns=[[0, 1]] * 9), "n-grams|words|stands behind|missing"),
        (lambda content: _changed(content, columns=None), "lacks something"),
        (lambda content: content.replace(b"</s>\n", b"<s>\n\n\n", 1), "different words"),
        (lambda content: content[:200] + b"\xff" * 300 + content[500:], "damaged"),
    ],
)
def test_damaged_files_are_named(tmp_path, change, message):
    path = tmp_path / "lm.ngrams"
    write_columns(path, _random_model(5, 3))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(TextError, match=message) as caught:
        read_columns(path)
    assert str(path) in str(caught.value)


def test_random_damage_is_an_error_or_a_model(tmp_path):
    path, dice = tmp_path / "lm.ngrams", random.Random(0)
    write_columns(path, _random_model(6, 3))
    whole, errors = path.read_bytes(), 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(bytes(data))
        try:
            model = read_columns(path)
        except TextError:
            errors += 1
        else:
            assert all(len(rows) == 0 or rows.max() < len(model.words) for rows in model.grams)
            assert all(np.isfinite(scores).all() for scores in model.log_probs)
    assert 100 < errors < 400


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TextError, match=r"no\.ngrams does not exist"):
        read_ngrams(tmp_path / "no.ngrams")
