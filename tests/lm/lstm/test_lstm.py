"""LSTM language models: the NumPy scorer against the torch model, batches, files, mixtures, training by command."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from asr.config import to_dict
from asr.errors import CheckpointError, ConfigError, MissingPackageError, TextError
from asr.lm.lstm.folder import load_lm, save_lm
from asr.lm.lstm.network import LstmLanguageModel, LstmLmConfig
from asr.lm.lstm.run import LmRun, LmRunConfig
from asr.lm.lstm.scorer import LstmScorer
from asr.lm.lstm.sentence_task import LmTask, Sentences, TextConfig, encode, vocabulary_of
from asr.lm.mixture import mixture_log_probs, mixture_weights
from asr.lm.ngram.arpa import LN10, write_arpa
from asr.lm.ngram.kenlm_binary import KenlmBinary
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.open import load_word_model
from asr.lm.word_model import sentence_scores

WORDS = ["</s>", "<unk>", *"abcdefghij"]
SENTENCES = [list("abc"), [], list("jjaf"), list("bxa"), list("hgfedcba")]
KINDS = {
    "full": LstmLmConfig(8, 12, 2),
    "adaptive": LstmLmConfig(8, 12, 2, cutoffs=(3, 7), cluster_shrink=2.0, input_words=6),
    "tied": LstmLmConfig(12, 12, 1, tied=True),
}


def _saved(folder, kind, bits=32):
    torch.manual_seed(3)
    model = LstmLanguageModel(KINDS[kind], len(WORDS)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    save_lm(folder, {k: v.numpy() for k, v in model.state_dict().items()}, to_dict(KINDS[kind]), WORDS, bits)
    return model


def _by_torch(model, words):
    ids = [WORDS.index(word) if word in WORDS else 1 for word in words]
    inputs = torch.tensor([[0, *ids]])
    with torch.inference_mode():
        hidden, _ = model.hidden(inputs, torch.tensor([len(ids) + 1]))
        return model.log_probs(hidden[0], torch.tensor([*ids, 0])).numpy()


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_scorer_equals_the_trained_model(tmp_path, kind):
    model = _saved(tmp_path, kind)
    scorer = LstmScorer(load_lm(tmp_path), score_unknown=True)
    for words, found in zip(SENTENCES, sentence_scores(scorer, SENTENCES), strict=True):
        assert found == pytest.approx(_by_torch(model, words), abs=1e-5)


@pytest.mark.parametrize("kind", list(KINDS))
def test_probabilities_after_a_history_sum_to_one(tmp_path, kind):
    _saved(tmp_path, kind)
    scorer = LstmScorer(load_lm(tmp_path), score_unknown=True)
    _, (state,) = scorer.score([scorer.start()], ["c"])
    found, _ = scorer.score([state] * len(WORDS), WORDS)
    assert np.exp(found).sum() == pytest.approx(1.0, abs=1e-5)


def test_unknown_words_have_no_score_unless_asked_for(tmp_path):
    _saved(tmp_path, "adaptive")
    found = sentence_scores(LstmScorer(load_lm(tmp_path)), [["a", "zebra", "b"]])[0]
    assert np.isnan(found).tolist() == [False, True, False, False]


def test_states_may_be_asked_again_and_in_any_company(tmp_path):
    _saved(tmp_path, "adaptive")
    scorer = LstmScorer(load_lm(tmp_path))
    _, (first, second) = scorer.score([scorer.start()] * 2, ["a", "j"])
    together, _ = scorer.score([first, second, first], ["b", "c", "i"])
    alone = [scorer.score([state], [word])[0][0] for state, word in ((first, "b"), (second, "c"), (first, "i"))]
    assert together == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize(("bits", "tolerance"), [(16, 5e-3), (8, 0.1)])
def test_small_files_score_nearly_the_same(tmp_path, bits, tolerance):
    model = _saved(tmp_path, "adaptive", bits)
    found = sentence_scores(LstmScorer(load_lm(tmp_path), score_unknown=True), SENTENCES)
    for words, values in zip(SENTENCES, found, strict=True):
        assert values == pytest.approx(_by_torch(model, words), abs=tolerance)


@pytest.mark.parametrize("kind", ["full", "adaptive"])
def test_a_model_of_bytes_is_multiplied_in_bytes_where_it_may_be_quick_and_no_other(tmp_path, kind):
    texts = [[words[place % len(words)] for place in range(9)] for words in SENTENCES if words]
    for bits in (8, 32):
        _saved(tmp_path / str(bits), kind, bits)
        found, exact = (
            np.concatenate(sentence_scores(load_word_model(tmp_path / str(bits), True, quick), texts))
            for quick in (True, False)
        )
        off = np.abs(found - exact)
        if bits == 32:
            assert off.max() == 0
        else:
            assert 0 < off.mean() < 0.03
            assert off.max() < 0.2


def test_harmed_folders_are_named(tmp_path):
    _saved(tmp_path / "cut", "full")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(CheckpointError, match="damaged"):
        load_lm(tmp_path / "cut")
    _saved(tmp_path / "words", "full")
    (tmp_path / "words" / "words.txt").write_text("</s>\n<unk>\na\n")
    with pytest.raises(CheckpointError, match=r"words.txt is not the one"):
        load_lm(tmp_path / "words")
    with pytest.raises(CheckpointError, match="no model folder"):
        load_lm(tmp_path / "nowhere")


def test_impossible_sizes_are_named():
    with pytest.raises(ConfigError, match="rising"):
        LstmLmConfig(cutoffs=(10, 5))
    with pytest.raises(ConfigError, match="tied"):
        LstmLmConfig(tied=True, hidden_size=300)
    with pytest.raises(ConfigError, match="below the vocabulary"):
        LstmLanguageModel(LstmLmConfig(cutoffs=(10,)), 8)


def _task(parts=2):
    words = vocabulary_of([" ".join(sentence) for sentence in SENTENCES])
    ids = {word: index for index, word in enumerate(words)}
    lines = [" ".join(sentence) for sentence in SENTENCES * 9]
    data = Sentences(encode(lines, ids), 6)
    return LmTask(LstmLanguageModel(LstmLmConfig(4, 4, 1), len(words)), data, data, TextConfig(20, parts))


def test_the_parts_of_a_turn_hold_every_sentence_once():
    task = _task()
    for turn in (0, 1):
        seen = sorted(index for epoch in (2 * turn, 2 * turn + 1) for batch in task.plan(epoch) for index in batch)
        assert seen == list(range(len(task.train)))
    assert [list(batch) for batch in task.plan(0)] != [list(batch) for batch in task.plan(2)]


def test_batches_stay_within_their_words_and_hold_whole_sentences():
    task = _task()
    for plan in task.plan(0):
        batch = task.prepare(plan, 0, torch.device("cpu"))
        assert batch.inputs.numel() <= 20
        for row, index in enumerate(plan):
            start, length = task.train.starts[index], int(batch.lengths[row])
            assert batch.inputs[row, :length].tolist() == task.train.ids[start : start + length].tolist()
            assert batch.targets[row, :length].tolist() == task.train.ids[start + 1 : start + length + 1].tolist()
            assert batch.inputs[row, 0] == 0
            assert batch.targets[row, length - 1] == 0


def test_perplexity_is_that_of_the_scorer(tmp_path):
    task = _task()
    model = task.model.eval()
    words = vocabulary_of([" ".join(sentence) for sentence in SENTENCES])
    save_lm(tmp_path, {k: v.numpy() for k, v in model.state_dict().items()}, to_dict(model.config), words)
    pieces = [sentence[:6] for sentence in SENTENCES if sentence] + [SENTENCES[-1][6:]]
    found = np.concatenate(sentence_scores(LstmScorer(load_lm(tmp_path), True), pieces))
    with torch.inference_mode():
        assert task.validate(torch.device("cpu"))["perplexity"] == pytest.approx(math.exp(-found.mean()), rel=1e-3)


def test_a_kenlm_binary_without_kenlm_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kenlm", None)
    for version, advice in (((3, 12), "install it with"), ((3, 13), "ARPA file, or use Python 3.12")):
        monkeypatch.setattr(sys, "version_info", version)
        with pytest.raises(MissingPackageError, match=advice):
            KenlmBinary(tmp_path / "lm.binary")


def test_n_grams_and_kenlm_give_the_same_words_the_same_scores(tmp_path, kenlm):
    path = tmp_path / "lm.arpa"
    write_arpa(path, estimate(Corpus(["a b c", "b c a a", "c a b"] * 3), 3))
    ours, theirs = load_word_model(path, score_unknown=True), KenlmBinary(path, score_unknown=True)
    oracle = kenlm.Model(str(path))
    sentences = [["a", "b"], ["c", "zebra", "a"], []]
    for words, left, right in zip(
        sentences, sentence_scores(ours, sentences), sentence_scores(theirs, sentences), strict=True
    ):
        expected = [score * LN10 for score, _, _ in oracle.full_scores(" ".join(words))]
        assert left == pytest.approx(expected, abs=1e-4)
        assert right == pytest.approx(expected, abs=1e-5)
    assert ours.knows("a")
    assert not ours.knows("zebra")
    assert not theirs.knows("zebra")


def test_mixture_weights_are_the_best_of_all():
    random = np.random.default_rng(4)
    log_probs = np.log(random.dirichlet([1, 1, 1], 400).T)[:, :300]
    weights = mixture_weights(log_probs)
    best = mixture_log_probs(log_probs, weights).mean()
    grid = [np.array([a, b, 1 - a - b]) for a in np.linspace(0.01, 0.98, 30) for b in np.linspace(0.01, 0.98, 30)]
    tried = max(mixture_log_probs(log_probs, w).mean() for w in grid if w[2] > 0)
    assert tried - 1e-9 <= best < tried + 1e-3
    assert weights.sum() == pytest.approx(1.0)
    with pytest.raises(TextError, match="known to all"):
        mixture_weights(np.array([[np.nan], [-1.0]]))


CONFIG = """
[model]
embedding_size = 8
hidden_size = 16
num_layers = 1
cutoffs = [6]
[text]
batch_words = 60
parts = 2
[train]
epochs = 6
peak_lr = 0.02
average = 1
"""


def test_a_model_is_trained_scored_mixed_sampled_and_packed_by_commands(run, tmp_path):
    text, config, model = tmp_path / "text.txt", tmp_path / "c.toml", tmp_path / "lm"
    text.write_text("the cat sat on the mat\nthe dog sat on the cat\na dog ate the mat\n" * 40)
    config.write_text(CONFIG)
    assert run("lm", "train", text, "--dev", text, "--config", config, "--output", model)[0] == 0
    assert run("lm", "ngram", text, "--order", "2", "--output", tmp_path / "lm.arpa")[0] == 0
    found = json.loads(run("lm", "score", model, text, "--json")[1])
    assert found["perplexity"] < 4
    assert (found["words"], found["sentences"], found["unknown"]) == (680, 120, 0)
    mixed = json.loads(run("lm", "interpolate", model, tmp_path / "lm.arpa", "--dev", text, "--json")[1])
    assert mixed["perplexity"] <= min(mixed["alone"])
    assert run("lm", "pack", model, "--output", tmp_path / "small")[0] == 0
    small = json.loads(run("lm", "score", tmp_path / "small", text, "--json")[1])
    assert small["perplexity"] == pytest.approx(found["perplexity"], rel=0.05)
    mean, other = tmp_path / "mean", tmp_path / "small" / "config.json"
    values = json.loads(other.read_text())
    values["model"]["dropout"] = 0.35  # of its training, not of its size
    other.write_text(json.dumps(values))
    assert run("checkpoint", "average", model, tmp_path / "small", "--weights", "0.25,0.75", "--output", mean)[0] == 0
    whole, packed, both = (load_lm(folder).arrays for folder in (model, tmp_path / "small", mean))
    for name, value in both.items():
        np.testing.assert_allclose(value, 0.25 * whole[name] + 0.75 * packed[name], rtol=1e-5, atol=1e-7)
    drawn = run("lm", "sample", model, "--sentences", "3")[1].splitlines()
    assert len(drawn) == 3
    assert set(" ".join(drawn).split()) <= {*["the", "cat", "sat", "on", "mat", "dog", "a", "ate"]}
    code, _, errors = run("lm", "train", text, "--dev", text, "--config", config, "--output", model)
    assert code == 1
    assert "--resume" in errors


def test_training_starts_from_a_model_and_keeps_its_words(run, tmp_path):
    text, other, config = tmp_path / "text.txt", tmp_path / "other.txt", tmp_path / "c.toml"
    text.write_text("the cat sat on the mat\na dog ate the mat\n" * 40)
    other.write_text("the cat ate a zebra\n" * 40)
    config.write_text(CONFIG)
    first, second = tmp_path / "first", tmp_path / "second"
    train = ["lm", "train", "--config", config, "--dev"]
    assert run(*train, text, text, "--output", first)[0] == 0
    still = ["--set", f"init={first}", "--set", "train.peak_lr=1e-9", "--set", "train.epochs=2"]
    assert run(*train, other, other, *still, "--output", second)[0] == 0
    assert (second / "words.txt").read_bytes() == (first / "words.txt").read_bytes()
    for name, array in load_lm(first).arrays.items():
        np.testing.assert_allclose(load_lm(second).arrays[name], array, atol=1e-6)
    code, _, errors = run(*train, text, text, *still, "--set", "model.hidden_size=8", "--output", tmp_path / "third")
    assert code == 1
    assert "weights of other sizes" in errors
    code, _, errors = run(*train, text, text, *still, "--set", "most_words=3", "--output", tmp_path / "third")
    assert code == 2
    assert "leave out vocabulary, most_words and units" in errors


def test_two_processes_train_the_model_that_one_trains(tmp_path):
    text, config = tmp_path / "text.txt", tmp_path / "c.toml"
    text.write_text("the cat sat on the mat\na dog ate the mat\nthe dog\n" * 40)
    config.write_text(CONFIG.replace("[train]", "[train]\naccumulate = 2\nthreads = 1"))
    for count in ("1", "2"):
        command = ["lm", "train", text, "--dev", text, "--config", config, "--output", tmp_path / count]
        outcome = subprocess.run(
            [sys.executable, "-m", "asr", *map(str, command), "--processes", count],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert outcome.returncode == 0, outcome.stderr
    one, two = (load_lm(tmp_path / count).arrays for count in ("1", "2"))
    for name, array in one.items():
        np.testing.assert_allclose(two[name], array, rtol=1e-3, atol=1e-4)


def test_bad_texts_for_neural_models_are_named(run, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "latin.txt").write_bytes("a b\ncaf\xe9\n".encode("latin-1"))
    for name, message in (("empty.txt", "no word"), ("latin.txt", "line 2 is not UTF-8"), ("none.txt", "not exist")):
        path = tmp_path / name
        code, _, errors = run("lm", "train", path, "--dev", path, "--config", config, "--output", tmp_path / "lm")
        assert code == 1
        assert message in errors


def test_a_text_without_words_is_named(tmp_path):
    """Of an empty validation text was said that "the text" has no words, of an empty one that it differs in case."""
    for name, text in (("full", "a b\n"), ("blank", "\n \n")):
        (tmp_path / name).write_text(text)
    with pytest.raises(TextError, match=f"{tmp_path / 'blank'} has no words"):
        LmRun(LmRunConfig(), [tmp_path / "full"], tmp_path / "blank", tmp_path)
    with pytest.raises(TextError, match="the text has no words"):
        LmRun(LmRunConfig(), [tmp_path / "blank"], tmp_path / "full", tmp_path)
