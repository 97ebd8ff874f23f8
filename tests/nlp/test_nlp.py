"""Texts from files, the classifier, its explanations, the commands."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import torch

from asr.errors import ConfigError, DataError, TextError
from asr.nlp.baseline import Baseline
from asr.nlp.explain import attributions
from asr.nlp.folder import load_classifier, load_ensemble
from asr.nlp.model import POOLINGS, ClassifierConfig, TextClassifier
from asr.nlp.run import ClassifierRunConfig, split_dev
from asr.nlp.table import read_table
from asr.nlp.task import padded, probabilities
from asr.nlp.words import Vocabulary, read_vectors, shortened, words_of


def test_tables_of_all_kinds_are_read(tmp_path):
    (tmp_path / "a.csv").write_text('label,text\n1,"good, really"\n0,bad\n')
    with gzip.open(tmp_path / "a.tsv.gz", "wt") as file:
        file.write('text\tlabel\n"quoted\t1\nbad\t0\n')
    (tmp_path / "a.jsonl").write_text('{"text": "good", "label": 1}\n{"text": "bad", "label": 0}\n')
    (tmp_path / "a.txt").write_text("1 good one\n0 bad\n")
    assert read_table(tmp_path / "a.csv").texts == ["good, really", "bad"]
    assert read_table(tmp_path / "a.tsv.gz").texts == ['"quoted', "bad"]
    assert read_table(tmp_path / "a.jsonl").labels == ["1", "0"]
    assert read_table(tmp_path / "a.txt", lines=True).texts == ["good one", "bad"]
    assert read_table(tmp_path / "a.csv", "text", None).labels == [None, None]


@pytest.mark.parametrize(
    ("name", "data", "error", "message"),
    [
        ("a.csv", b"text,mark\nx,1\n", DataError, "row 1 has no column 'label'; it has text, mark"),
        ("a.csv", b"words,label\nx,1\n", DataError, "no column 'text'"),
        ("a.csv", b"text,label\n", DataError, "no rows"),
        ("a.jsonl", b'{"text": "x", "label": 1}\nnonsense\n', DataError, "line 2 is not a JSON object"),
        ("a.csv", b"text,label\nx,1\ny, \n", DataError, "row 2 has an empty label"),
        ("a.csv", b"text,label\nx\n", DataError, "row 1 has nothing in the column 'label'"),
        ("a.csv", b"label,text\n1,x\n0,I liked it, really\n", DataError, "line 3 has 3 fields where the header has 2"),
        ("a.tsv", b"text\tlabel\nx\t1\t\ny\tz\t1\n", DataError, "line 3 has 3 fields where the header has 2"),
        ("a.jsonl", b'{"text": null, "label": 1}\n', DataError, "row 1 has nothing in the column 'text'"),
        ("a.csv", "text,label\ncafé,1\n".encode("latin-1"), TextError, "line 2 is not UTF-8"),
    ],
)
def test_bad_tables_are_named(tmp_path, name, data, error, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match=message):
        read_table(tmp_path / name)
    with pytest.raises(TextError, match="does not exist"):
        read_table(tmp_path / "none.csv")


def test_words_of_any_script_are_found():
    assert words_of("It's GREAT, isn't it?<br />👍👍 日本 naïve o'clock, they're 'so'") == [
        "it", "'s", "great", ",", "is", "n't", "it", "?", "👍", "👍", "日本", "naïve", "o'clock", ",", "they", "'re",
        "'", "so", "'",
    ]  # fmt: skip
    assert words_of("it 's great , is n't it ?") == words_of("it's great, isn't it?")
    vocabulary = Vocabulary.of([["a", "b", "a"], ["c"]], min_count=1, most=2)
    assert vocabulary.words == ["<pad>", "<unk>", "a", "b"]
    assert vocabulary.encode(["a", "zebra"]) == [2, 1]
    assert vocabulary.encode([]) == [1]
    assert shortened(list("abcde"), 3) == ["a", "d", "e"]
    assert shortened(list("abc"), 3) == shortened(list("abc"), 0) == ["a", "b", "c"]


def test_vectors_are_read_by_word(tmp_path):
    (tmp_path / "v.txt").write_text("2 3\na 1 2 3\nzebra 4 5 6\n")
    vectors, known = read_vectors(tmp_path / "v.txt", Vocabulary(["<pad>", "<unk>", "a"]), 3)
    assert vectors[2].tolist() == [1, 2, 3]
    assert known.tolist() == [False, False, True]
    with pytest.raises(DataError, match="line 2 has 3 values"):
        read_vectors(tmp_path / "v.txt", Vocabulary(["<pad>", "<unk>"]), 50)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_changes_no_probability(pooling):
    torch.manual_seed(0)
    model = TextClassifier(ClassifierConfig(embedding_size=6, hidden_size=5, pooling=pooling), 20, 3).eval()
    texts = [[3, 4, 5, 6, 7, 8], [9], [10, 11]]
    together = probabilities(model, texts)
    alone = np.concatenate([probabilities(model, [text]) for text in texts])
    assert np.allclose(together, alone, atol=1e-6)
    assert np.allclose(together.sum(axis=1), 1, atol=1e-6)


def test_attributions_sum_to_what_the_words_change():
    torch.manual_seed(0)
    model = TextClassifier(ClassifierConfig(embedding_size=6, hidden_size=5, pooling="mean"), 20, 3).eval()
    words = [3, 7, 7, 12]
    found = attributions(model, words, 1, steps=300)
    with torch.no_grad():
        ids, lengths = padded([words])
        change = model(ids, lengths) - model.classify(torch.zeros(1, 4, 6), lengths)
    assert sum(found) == pytest.approx(float(change[0, 1]), abs=1e-3)


def test_the_baseline_kept_as_arrays_predicts_what_scikit_learn_does():
    texts = ["a good film", "good and fine", "a bad film", "bad , very bad", "dull film", "fine film"] * 5
    labels = np.array([1, 1, 0, 0, 2, 1] * 5)
    from sklearn.linear_model import LogisticRegression

    def terms(text):
        words = ["⊢", *text.replace(",", " ").split()]
        spans = [" ".join(words[at : at + size]) for size in (1, 2, 3) for at in range(len(words) - size + 1)]
        return [span for span in spans if span != "⊢"]

    for classes in (3, 2):
        kept = labels < classes
        chosen = [text for text, keep in zip(texts, kept, strict=True) if keep]
        numbers = labels[kept]
        known = sorted({term for text in chosen for term in terms(text)})
        inside = np.array([[term in terms(text) for term in known] for text in chosen])
        idf = np.log((1 + len(chosen)) / (1 + inside.sum(0))) + 1
        relevance = np.zeros(len(known))
        for number in range(classes):
            own, rest = inside[numbers == number].sum(0) + 1, inside[numbers != number].sum(0) + 1
            # The shares are among all terms, the mark of the beginning with them.
            marked = [(numbers == number).sum() + 1, (numbers != number).sum() + 1]
            ratio = np.log(own / (own.sum() + marked[0])) - np.log(rest / (rest.sum() + marked[1]))
            relevance = np.maximum(relevance, np.abs(ratio))

        def features(of, known=known, idf=idf):
            counts = np.array([[terms(text).count(term) for term in known] for text in of], float)
            values = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * idf
            return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)

        model = LogisticRegression(C=30.0, max_iter=400).fit(features(chosen) * relevance, numbers)
        found = Baseline.fit([text.replace(",", " ") for text in chosen], numbers, classes)
        assert sorted(found.terms) == known
        tried = [*(text.replace(",", " ") for text in chosen), "never seen words", "good bad", ""]
        expected = model.predict_proba(features(tried) * relevance)
        assert found.probabilities(tried) == pytest.approx(expected, abs=2e-3)
        assert found.predict(tried).tolist() == expected.argmax(axis=1).tolist()


def test_every_class_has_its_share_in_the_validation_texts():
    labels = np.array([0] * 100 + [1] * 20 + [2])
    rows, held = split_dev(labels, 1)
    assert sorted([*rows, *held]) == list(range(121))
    assert np.bincount(labels[held], minlength=3).tolist() == [10, 2, 0]


@pytest.fixture
def reviews(tmp_path):
    random = np.random.default_rng(0)
    good, bad, filler = ["fine", "great", "lovely"], ["dull", "awful", "poor"], ["film", "the", "a", "plot", "cast"]
    rows = []
    for number in range(160):
        label = number % 2
        words = [*random.choice(filler, 4), random.choice(good if label else bad)]
        rows.append(f"{' '.join(random.permutation(words))}\t{'pos' if label else 'neg'}")
    path = tmp_path / "r.tsv"
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    return path


TINY = ["--set", "train.epochs=8", "--set", "train.peak_lr=0.02", "--set", "model.embedding_size=12",
        "--set", "model.hidden_size=8", "--set", "train.threads=1"]  # fmt: skip


def test_a_classifier_is_trained_evaluated_and_explains_itself_by_commands(run, reviews, tmp_path):
    code, _, errors = run("nlp", "train", reviews, "--output", tmp_path / "m", *TINY)
    assert code == 0, errors
    code, out, _ = run("nlp", "evaluate", reviews, "--model", tmp_path / "m", "--json", "--plot", tmp_path / "c.png")
    assert code == 0
    found = json.loads(out)
    assert found["accuracy"] > 0.95
    assert found["interval"][0] <= found["accuracy"] <= found["interval"][1]
    # the baseline gets these right as well, or is the model
    assert "does not beat tf-idf" in found["verdict"] or "is tf-idf alone" in found["verdict"]
    assert run("nlp", "evaluate", reviews, "--model", tmp_path / "m", "--threads", "1", "--device", "cpu")[0] == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert run("nlp", "train", reviews, "--output", tmp_path / "o", *TINY, "--keep", "tf-idf")[0] == 0
    alone = json.loads(run("nlp", "evaluate", reviews, "--model", tmp_path / "o", "--json")[1])
    assert alone["verdict"] == "the model is tf-idf alone, the baseline itself: there is nothing to test"
    both = ("nlp", "evaluate", reviews, "--model", tmp_path / "m", "--against", tmp_path / "o")
    other = json.loads(run(*both, "--json")[1])["against"]
    assert other["accuracy"] == found["baseline_accuracy"]  # tf-idf alone is the baseline
    assert other["p_value"] == found["p_value"]
    assert f"the model does not beat {tmp_path / 'o'}" in run(*both)[1]
    code, out, _ = run("nlp", "predict", reviews, "--model", tmp_path / "m", "--explain", "--json")
    first = json.loads(out.splitlines()[1])
    assert first["label"] == "pos"
    assert max(first["words"], key=lambda pair: pair[1])[0] in ("fine", "great", "lovely")
    assert run("nlp", "predict", reviews, "--model", tmp_path / "m", "--output", tmp_path / "p.txt")[0] == 0
    assert set((tmp_path / "p.txt").read_text().split()) == {"pos", "neg"}
    code, _, errors = run(
        "nlp", "train", reviews, "--output", tmp_path / "m", *TINY, "--resume", "--set", "batches.texts=3"
    )
    assert (code, "batches.texts = 32, not 3" in errors) == (1, True), errors


@pytest.fixture
def noise(tmp_path):
    """A table whose labels follow one word that a network of eight units and no epochs to speak of cannot learn."""
    random = np.random.default_rng(1)
    words = [f"w{number}" for number in range(40)]
    rows = []
    for number in range(120):
        key = "alpha" if number % 2 else "beta"
        rows.append(f"{' '.join(random.permutation([*random.choice(words, 8), key]))}\t{'a' if number % 2 else 'b'}")
    path = tmp_path / "n.tsv"
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    return path


def test_what_is_best_on_the_validation_texts_is_kept_and_said(run, noise, tmp_path):
    dull = [*TINY, "--set", "train.epochs=1", "--set", "train.peak_lr=1e-6"]
    code, out, _ = run("nlp", "train", noise, "--output", tmp_path / "m", *dull, "--json")
    made = json.loads(out)
    assert code == 0
    assert (made["kept"], made["baseline_share"]) == ("tf-idf", 1.0)
    assert made["errors"]["kept"] == made["errors"]["tf-idf"] < made["errors"]["lstm"]
    values = json.loads(run("nlp", "evaluate", noise, "--model", tmp_path / "m", "--json")[1])
    assert values["accuracy"] == values["baseline_accuracy"]
    first = json.loads(
        run("nlp", "predict", noise, "--model", tmp_path / "m", "--json", "--explain")[1].splitlines()[1]
    )
    assert first["label"] == "a"
    assert max(first["words"], key=lambda pair: pair[1])[0] == "alpha"
    code, _, errors = run("nlp", "train", noise, "--output", tmp_path / "l", *dull, "--keep", "lstm")
    assert (code, "kept: the LSTM" in errors) == (0, True)
    code, out, _ = run("nlp", "train", noise, "--output", tmp_path / "b", *dull, "--keep", "both", "--json")
    made = json.loads(out)
    assert made["baseline_share"] == 0.75
    assert made["kept"] == "the mixture of LSTM and tf-idf (0.25 and 0.75)"


def test_a_mixture_is_the_weighted_mean_and_survives_its_folder(run, reviews, tmp_path):
    assert run("nlp", "train", reviews, "--output", tmp_path / "m", *TINY, "--keep", "both")[0] == 0
    found = load_classifier(tmp_path / "m")
    share = found.baseline_share
    assert 0 < share < 1
    texts = read_table(reviews, "text", "label").texts
    network = probabilities(found.model, [found.encode(text) for text in texts])
    expected = (1 - share) * network + share * found.baseline.probabilities(texts)
    assert found.probabilities(texts) == pytest.approx(expected, abs=1e-6)


def test_several_models_answer_with_the_mean_of_their_probabilities(run, reviews, noise, tmp_path):
    short = [*TINY, "--set", "train.epochs=1", "--keep", "lstm"]
    for seed in ("1", "2"):
        assert run("nlp", "train", reviews, "--output", tmp_path / seed, *short, "--set", f"train.seed={seed}")[0] == 0
    texts = read_table(reviews, "text", "label").texts
    first, second = (load_classifier(tmp_path / seed).probabilities(texts) for seed in ("1", "2"))
    expected = (first + second) / 2
    assert np.abs(first - second).max() > 0.01
    assert load_ensemble([tmp_path / "1", tmp_path / "2"]).probabilities(texts) == pytest.approx(expected, abs=1e-6)
    both = ["--model", tmp_path / "1", "--model", tmp_path / "2"]
    shown = [json.loads(line) for line in run("nlp", "predict", reviews, *both, "--json")[1].splitlines()]
    assert [row["probability"] for row in shown] == pytest.approx(expected.max(axis=1), abs=1e-4)
    assert "the mean of 2 models" in run("nlp", "evaluate", reviews, *both)[1]
    assert run("nlp", "train", noise, "--output", tmp_path / "other", *short)[0] == 0
    code, _, errors = run("nlp", "predict", reviews, "--model", tmp_path / "1", "--model", tmp_path / "other")
    assert (code, "must have the same classes" in errors) == (2, True)


def test_the_baseline_is_fitted_to_many_texts_without_a_common_word():
    texts = [f"item{number}" for number in range(10_000)]
    labels = np.arange(10_000) % 2
    found = Baseline.fit(texts, labels, 2)
    assert {"item0", "item9999"} <= set(found.terms)  # though no word is in `LEAST_TEXTS` of them
    assert found.probabilities(texts[:2]).sum(axis=1) == pytest.approx([1.0, 1.0], abs=1e-5)
    with pytest.raises(DataError, match="no text has a word"):
        Baseline.fit(["", "  ", "", " "], np.array([0, 1, 0, 1]), 2)


def test_contributions_of_words_sum_to_the_score():
    texts = ["a good film", "a bad film", "good , good plot", "bad bad cast"] * 3
    labels = np.array([1, 0, 1, 0] * 3)
    baseline = Baseline.fit(texts, labels, 2)
    for text in (*texts[:4], "unheard Good"):
        words = baseline.contributions(text, 1)
        scores = baseline._scores([text])[0]
        assert sum(value for _, value in words) == pytest.approx(scores[1] - baseline.bias[1], abs=1e-5)
        powers = np.exp(scores) / np.exp(scores).sum()
        assert baseline.probabilities([text])[0] == pytest.approx(powers, abs=1e-6)
    assert [word for word, _ in baseline.contributions("unheard Good", 1)] == ["unheard", "good"]


def test_classes_of_a_single_text_each_leave_none_to_validate_on(run, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\ngood film,good\nbad film,bad\n")
    code, _, errors = run("nlp", "train", tmp_path / "a.csv", "--output", tmp_path / "m")
    assert code == 1
    assert "leaves none to validate on; give more texts of a class, or a table with --dev." in errors


def test_what_cannot_be_classified_is_named(run, reviews, tmp_path):
    (tmp_path / "one.csv").write_text("text,label\na,x\nb,x\n")
    code, _, errors = run("nlp", "train", tmp_path / "one.csv", "--output", tmp_path / "m")
    assert (code, "only one class, 'x'" in errors) == (1, True)
    run("nlp", "train", reviews, "--output", tmp_path / "m", *TINY)
    (tmp_path / "odd.csv").write_text("text,label\n" + "great " * 100_000 + ",pos\n,neg\n👍 日本,unheard\n")
    code, _, errors = run("nlp", "evaluate", tmp_path / "odd.csv", "--model", tmp_path / "m")
    assert (code, "row 3: the label 'unheard' is not one of neg, pos" in errors) == (1, True)
    code, out, _ = run("nlp", "predict", tmp_path / "odd.csv", "--model", tmp_path / "m", "--json")
    assert code == 0
    assert json.loads(out.splitlines()[0])["label"] == "pos"  # a hundred thousand words, and an empty text
    (tmp_path / "m" / "words.txt").unlink()
    code, _, errors = run("nlp", "predict", reviews, "--model", tmp_path / "m")
    assert (code, "cannot be loaded" in errors) == (1, True)
    with pytest.raises(ConfigError, match="pooling"):
        ClassifierConfig(pooling="sum")
    with pytest.raises(ConfigError, match="keep must be one of best"):
        ClassifierRunConfig(keep="worst")
