"""Language models of characters and subwords, as models of words."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import sentencepiece

from asr.errors import ConfigError, TextError
from asr.lm.lstm.unit_scorer import UnitScorer
from asr.lm.open import load_word_model
from asr.lm.word_model import sentence_scores
from asr.text.lm_units import Units, train_subwords

LINES = ["the cat sat on the mat", "the dog sat on the cat", "a dog ate the mat"] * 60
CONFIG = """
[model]
embedding_size = 16
hidden_size = 24
num_layers = 1
[text]
batch_words = 400
[train]
epochs = 12
peak_lr = 0.02
average = 1
"""


def test_units_spell_words_and_mark_their_ends():
    characters = Units("characters")
    assert characters.spell("a cat") == "a ▁ c a t ▁"
    assert characters.spell("<unk> </s>") == "<unk> </s>"
    subwords = Units("sentencepiece", train_subwords(LINES, 20))
    for word in ("cat", "the", "zebra"):
        units = subwords.split(word)
        assert "".join(units) == word + "▁"
        assert all("▁" not in unit for unit in units[:-1])
    assert len(subwords.split("the")) < len(subwords.split("eht"))


def test_subwords_are_sentencepieces_own():
    model = train_subwords(LINES, 20)
    reference = sentencepiece.SentencePieceProcessor(model_proto=model)
    assert Units("sentencepiece", model).split("mat") == reference.encode("mat", out_type=str)


class FakeModel:
    """P of a unit depends on the number of units before it."""

    def start(self):
        return 0

    def knows(self, unit):
        return unit != "z"

    def score(self, states, words):
        values = [
            np.nan if word == "z" else -0.1 * (state + 1) - 0.01 * ord(word[0])
            for state, word in zip(states, words, strict=True)
        ]
        return values, [state + 1 for state in states]


def test_a_words_score_is_the_sum_of_its_units():
    scorer = UnitScorer(FakeModel(), Units("characters"))
    (first, second), states = scorer.score([0, 2], ["ab", "</s>"])
    assert first == pytest.approx(sum(-0.1 * (n + 1) - 0.01 * ord(c) for n, c in enumerate("ab▁")))
    assert second == pytest.approx(-0.3 - 0.01 * ord("<"))
    assert states == [3, 3]
    assert np.isnan(scorer.score([0], ["zoo"])[0][0])
    assert (scorer.knows("ab"), scorer.knows("zoo")) == (True, False)


@pytest.mark.parametrize("units", ["characters", "subwords"])
def test_models_of_units_are_trained_scored_packed_and_sampled_by_commands(run, tmp_path, units):
    text, config, model = tmp_path / "text.txt", tmp_path / "c.toml", tmp_path / "lm"
    text.write_text("\n".join(LINES) + "\n")
    config.write_text(CONFIG)
    name = units
    if units == "subwords":
        name = tmp_path / "sub.model"
        assert run("tokens", "subwords", text, "--size", 20, "--output", name)[0] == 0
    code, _, errors = run(
        "lm", "train", text, "--dev", text, "--config", config, "--set", f"units={name}", "--output", model
    )
    assert code == 0, errors
    found = json.loads(run("lm", "score", model, text, "--json")[1])
    assert (found["words"], found["sentences"], found["unknown"]) == (1020, 180, 0)
    assert found["perplexity"] < 8
    assert run("lm", "pack", model, "--output", tmp_path / "small")[0] == 0
    small = json.loads(run("lm", "score", tmp_path / "small", text, "--json")[1])
    assert small["perplexity"] == pytest.approx(found["perplexity"], rel=0.1)
    drawn = run("lm", "sample", model, "--sentences", 3)[1]
    assert "▁" not in drawn
    scorer = load_word_model(model)
    letters = "abcdeghmnost"  # words of up to two letters take no more than all of the probability
    words = ["".join(some) for size in (1, 2) for some in itertools.product(letters, repeat=size)]
    scores = [sentence_scores(scorer, [[word]])[0][0] for word in words]
    total = np.nansum(np.exp(scores))  # NaN: a unit never seen
    assert total < 1
    assert np.exp(sentence_scores(scorer, [["the"]])[0][0]) > 0.4


def test_wrong_units_are_named(run, tmp_path):
    with pytest.raises(ConfigError, match="unknown units 'syllables'"):
        Units.read("syllables")
    with pytest.raises(TextError, match="cannot be read"):
        Units.read(str(tmp_path / "none.model"))
    (tmp_path / "bad.model").write_bytes(b"no model")
    with pytest.raises(TextError, match="damaged"):
        Units.read(str(tmp_path / "bad.model"))
    text = tmp_path / "t.txt"
    text.write_text("a b\n")
    code, _, errors = run("tokens", "subwords", text, "--size", 4000, "--output", tmp_path / "m.model")
    assert code == 1
    assert "ask for fewer" in errors
