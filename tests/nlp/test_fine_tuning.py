"""Classifiers that start from a language model: what they take over, how fast which part learns, what does not fit."""

from __future__ import annotations

import pytest
import torch

from asr.config import to_dict
from asr.errors import ConfigError
from asr.lm.lstm.folder import save_lm
from asr.lm.lstm.network import LstmLanguageModel, LstmLmConfig
from asr.nlp.fine_tuning import from_language_model
from asr.nlp.folder import load_classifier
from asr.nlp.model import ClassifierConfig
from asr.nlp.task import BatchConfig, ClassifierTask, FineTuneConfig

WORDS = ["</s>", "<unk>", "good", "bad", "film", "not"]
ONE_WAY = ClassifierConfig(bidirectional=False, pooling="concat")


@pytest.fixture
def language_model(tmp_path):
    torch.manual_seed(3)

    def make(layers=2, units=None):
        model = LstmLanguageModel(LstmLmConfig(6, 6, layers, tied=True), len(WORDS)).eval()
        arrays = {name: value.numpy() for name, value in model.state_dict().items()}
        save_lm(tmp_path / "lm", arrays, to_dict(model.config), WORDS, units=units)
        return model, tmp_path / "lm"

    return make


def test_a_classifier_reads_with_the_language_models_layers(language_model):
    model, folder = language_model()
    found, vocabulary = from_language_model(folder, ONE_WAY, 3)
    assert vocabulary.words[2:] == WORDS[2:]
    assert vocabulary.encode(["not", "good", "zebra"]) == [5, 2, 1]
    words = torch.tensor([[5, 2, 1, 4]])
    outputs = found.eval().recurrent(found.embedding(words), return_states=False)[0]
    assert torch.allclose(outputs, model.outputs(words)[0], atol=1e-6)
    assert float(found.embedding.weight[0].abs().max()) == 0.0
    assert found(words, torch.tensor([4])).shape == (1, 3)


def test_words_that_the_language_model_lacks_begin_near_its_mean(language_model):
    _, folder = language_model()
    found, vocabulary = from_language_model(folder, ONE_WAY, 3, ["zebra", "good", "<unk>", "apple"])
    assert vocabulary.words[2:] == [*WORDS[2:], "apple", "zebra"]
    plain, _ = from_language_model(folder, ONE_WAY, 3)
    learned, new = found.embedding.weight[:6], found.embedding.weight[6:]
    assert torch.equal(learned, plain.embedding.weight)
    away = (new - learned[1:].mean(0)).abs() / learned.std(0)
    assert float(away.max()) < 1.0
    assert not torch.equal(new[0], new[1])


def test_of_one_layer_it_is_the_forward_direction(language_model):
    model, folder = language_model(layers=1)
    found, _ = from_language_model(folder, ClassifierConfig(pooling="max"), 2)
    words = torch.tensor([[3, 4]])
    outputs = found.eval().recurrent(found.embedding(words), return_states=False)[0]
    assert torch.allclose(outputs[:, :, :6], model.outputs(words)[0], atol=1e-6)


def test_the_first_of_several_layers_becomes_the_forward_direction(language_model):
    model, folder = language_model()
    found, _ = from_language_model(folder, ClassifierConfig(pooling="max"), 2)
    assert found.config.num_layers == 1
    inputs = found.eval().embedding(torch.tensor([[3, 4, 2]]))
    whole = found.recurrent(inputs, return_states=False)[0]
    first = model.recurrent.eval().forwards[0](inputs)[0]
    assert torch.allclose(whole[:, :, : first.shape[2]], first, atol=1e-6)


def test_layers_thaw_from_the_top_and_lower_ones_learn_slower(language_model):
    model, _ = from_language_model(language_model()[1], ONE_WAY, 2)
    task = ClassifierTask(model, [[2]], None, [[2]], None, BatchConfig(), fine_tune=FineTuneConfig(2.0))
    rates = {
        name: [task.rate_factor(name, epoch) for epoch in range(4)]
        for name in ("output.weight", "recurrent.forwards.1.weight_ih_l0", "recurrent.forwards.0.bias_hh_l0",
                     "embedding.weight")
    }  # fmt: skip
    assert list(rates.values()) == [[1, 1, 1, 1], [0, 0.5, 0.5, 0.5], [0, 0, 0.25, 0.25], [0, 0, 0, 0.125]]
    task.fine_tune = FineTuneConfig(2.0, unfreeze=False)
    assert task.rate_factor("embedding.weight", 0) == 0.125
    task.fine_tune = None
    assert task.rate_factor("embedding.weight", 0) == 1.0


def test_what_does_not_fit_is_named(language_model):
    _, folder = language_model()
    with pytest.raises(ConfigError, match=r"model\.kind = 'gru'"):
        from_language_model(folder, ClassifierConfig(kind="gru", bidirectional=False), 2)
    with pytest.raises(ConfigError, match="layer_decay"):
        FineTuneConfig(0.5)


def test_from_table_to_language_model_to_classifier(tmp_path, run):
    rows = [("good film", 1), ("bad film", 0), ("not dull film", 1), ("not fine film", 0)] * 30
    table = tmp_path / "t.csv"
    table.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    text, lm, folder = tmp_path / "t.txt", tmp_path / "lm", tmp_path / "model"
    assert run("nlp", "text", table, "--output", text)[0] == 0
    assert text.read_text().splitlines()[2] == "not dull film"
    config = tmp_path / "lm.toml"
    config.write_text(
        "[model]\nembedding_size = 12\nhidden_size = 12\nnum_layers = 1\ntied = true\n"
        "[text]\nrunning = true\nstreams = 2\nsteps = 6\n[train]\nepochs = 2\naverage = 1\n"
    )
    code, _, errors = run("lm", "train", text, "--dev", text, "--config", config, "--output", lm)
    assert code == 0, errors
    settings = [
        f"language_model={lm}", "model.bidirectional=false", "model.pooling=concat", "model.dropout=0.0",
        "model.word_dropout=0.0", "train.epochs=10", "train.peak_lr=0.03", "train.patience=0",
        "fine_tune.layer_decay=1.3",
    ]  # fmt: skip
    options = [option for setting in settings for option in ("--set", setting)]
    code, _, errors = run("nlp", "train", table, "--dev", table, "--output", folder, *options)
    assert code == 0, errors
    assert "lstm 100.00%" in errors
    assert load_classifier(folder).model.config.hidden_size == 12
    code, out, errors = run("inspect", "gates", "--text", "not good film", "--model", folder, "--json")
    assert code == 0, errors
    assert '"frames": 3' in out
    code, out, errors = run("inspect", "gates", "--text", "not good", "--model", lm, "--output", tmp_path / "g.png")
    assert code == 0, errors
    assert run("inspect", "gates", "--model", lm)[0] == 2
    code, _, errors = run("nlp", "train", table, "--output", folder, "--set", "vectors=x", "--set", "language_model=y")
    assert code == 2
    assert "not from both" in errors
