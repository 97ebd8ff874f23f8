"""Which lexicon, language models and settings a search uses, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

from asr.config import to_dict
from asr.decode.build import NEURAL_SHARE, SearchOptions, choose_parts, open_decoder
from asr.decode.greedy import GreedyDecoder
from asr.errors import CheckpointError, ConfigError, TextError
from asr.lm.lstm.folder import save_lm
from asr.lm.lstm.network import LstmLanguageModel, LstmLmConfig
from asr.lm.ngram.arpa import write_arpa
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.model_package import ModelPackage
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

TOKENS = Tokens(["<blank>", "|", "a", "b"])
WORDS = ["</s>", "<unk>", "a", "b", "ab"]
TUNED = {
    "lm_weight": 0.8, "word_score": -1.0, "threshold": 16.0, "beam_size": 30, "neural_share": 0.7,
    "neural_lm_weight": 0.9, "neural_word_score": 0.5, "neural_threshold": 15.0, "confidence_slope": 0.2,
    "neural_confidence_slope": 0.4,
}  # fmt: skip


@pytest.fixture
def arpa(tmp_path):
    write_arpa(tmp_path / "words.arpa", estimate(Corpus(["a b ab", "a b", "b b", "ab a"] * 4), 2))
    write_arpa(tmp_path / "tokens.arpa", estimate(Corpus(["a b | a", "b b | a b |", "a | a | b a"] * 5), 2))
    return tmp_path


@pytest.fixture
def package(tmp_path, tiny_model):
    """A model folder with a lexicon, an n-gram, an LSTM and tuned settings for both."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    write_arpa(folder / "lm.arpa", estimate(Corpus(["a cab", "bad dab a"] * 4), 2))
    config = LstmLmConfig(4, 6, 1)
    model = LstmLanguageModel(config, len(WORDS))
    save_lm(folder / "lstm", {k: v.detach().numpy() for k, v in model.state_dict().items()}, to_dict(config), WORDS)
    _tune(folder, TUNED)
    return ModelPackage.open(folder)


def _tune(folder, settings):
    values = json.loads((folder / "config.json").read_text())
    values["decoding"] = settings | {"lm": "lm.arpa"}
    (folder / "config.json").write_text(json.dumps(values))


def test_without_a_choice_everything_is_the_model_s_own(package):
    parts = choose_parts(package, SearchOptions())
    assert set(parts.lexicon.spellings) == {"a", "cab", "bad", "dab"}
    assert parts.lm == package.folder / "lm.arpa"
    assert parts.neural_lm == package.folder / "lstm"
    assert parts.neural_share == 0.7
    expected = {"lm_weight": 0.9, "word_score": 0.5, "threshold": 15.0, "beam_size": 30, "confidence_slope": 0.4}
    assert dict(parts.settings) == expected
    assert choose_parts(package, SearchOptions(lm="auto", lexicon="auto", neural_lm="auto")) == parts


def test_settings_tuned_for_a_neural_model_apply_only_with_one(package):
    parts = choose_parts(package, SearchOptions(neural_lm="none"))
    assert (parts.neural_lm, parts.settings["lm_weight"], parts.settings["threshold"]) == (None, 0.8, 16.0)
    assert "neural_lm_weight" not in parts.settings


def test_what_is_chosen_goes_before_what_was_tuned(package):
    options = SearchOptions(settings={"word_score": 2.0, "beam_size": None}, neural_share=0.1)
    parts = choose_parts(package, options)
    assert (parts.settings["word_score"], parts.settings["beam_size"], parts.neural_share) == (2.0, 30, 0.1)
    untuned = choose_parts(package, dataclasses.replace(options, tuned=False, neural_share=None))
    assert (dict(untuned.settings), untuned.neural_share) == ({"word_score": 2.0}, NEURAL_SHARE)


@pytest.mark.parametrize("replaced", [{"lm": "other.arpa"}, {"lexicon": "other.txt"}, {"lm": "none"}, {"greedy": True}])
def test_the_model_s_own_neural_model_goes_with_its_own_n_gram_and_lexicon(package, replaced):
    assert choose_parts(package, SearchOptions(**replaced)).neural_lm is None
    if "greedy" not in replaced:
        chosen = choose_parts(package, SearchOptions(**replaced, neural_lm=package.folder / "lstm"))
        assert chosen.neural_lm == package.folder / "lstm"


def test_a_search_of_the_package_uses_both_language_models(package):
    frames = np.log(np.full((12, len(package.tokens)), 1 / len(package.tokens), np.float32))
    scores = [
        open_decoder(package, SearchOptions(**options)).decode(frames)[0].score
        for options in ({}, {"neural_lm": package.neural_lm_path}, {"neural_lm": "none"}, {"neural_share": 0.05})
    ]
    assert scores[0] == scores[1]
    assert len(set(scores)) == 3


def test_unknown_settings_are_refused_with_the_nearest_name(package):
    for name, hint in (("beam_sise", "beam_size"), ("lmweight", "lm_weight"), ("beam_threshold", "threshold")):
        with pytest.raises(ConfigError, match=f"no setting '{name}'; did you mean '{hint}'"):
            SearchOptions(settings={name: 5})
    _tune(package.folder, TUNED | {"beam_sise": 5})
    with pytest.raises(CheckpointError, match=r"config\.json.*beam_sise"):
        choose_parts(ModelPackage.open(package.folder), SearchOptions())


def test_impossible_values_are_refused(arpa):
    for options in ({"neural_share": 1.5}, {"neural_share": "a"}, {"rescore": -1}, {"lexicon": ["a"]}, {"lm": 5}):
        with pytest.raises(ConfigError):
            SearchOptions(**options)
    with pytest.raises(ConfigError, match="whole number"):
        open_decoder(TOKENS, SearchOptions(lm=arpa / "words.arpa", settings={"beam_size": 2.5}))


def test_a_token_n_gram_refuses_what_it_cannot_use(package, arpa):
    with pytest.raises(ConfigError, match="model over tokens"):
        open_decoder(TOKENS, SearchOptions(lm=arpa / "tokens.arpa", neural_lm=package.neural_lm_path))
    with pytest.raises(TextError, match="'no' cannot be spelled"):
        open_decoder(TOKENS, SearchOptions(lm=arpa / "tokens.arpa", hotwords={"no such word": 3.0}))


def test_a_neural_model_that_does_not_exist_is_named(arpa):
    for lm in ("tokens.arpa", "words.arpa"):
        with pytest.raises(CheckpointError, match="nowhere"):
            open_decoder(TOKENS, SearchOptions(lm=arpa / lm, neural_lm="nowhere"))


def test_options_of_a_neural_model_need_one(arpa):
    for options in ({"rescore": 10}, {"neural_share": 0.5}):
        with pytest.raises(ConfigError, match=f"`{next(iter(options))}` needs a neural"):
            open_decoder(TOKENS, SearchOptions(lm=arpa / "words.arpa", **options))


def test_the_best_path_refuses_hotwords_and_says_which_settings_it_ignores(package):
    notes: list[str] = []
    decoder = open_decoder(TOKENS, SearchOptions(settings={"beam_size": 5, "threshold": None}), note=notes.append)
    assert isinstance(decoder, GreedyDecoder)
    assert notes == ["without lexicon and language model the best path is taken: beam_size has no effect"]
    for options in ({"hotwords": {"a": 1.0}}, {"neural_lm": package.neural_lm_path}):
        with pytest.raises(ConfigError, match="need a search"):
            open_decoder(TOKENS, SearchOptions(**options))


def test_a_lexicon_may_be_an_object_a_file_or_none(tmp_path, package):
    (tmp_path / "lexicon.txt").write_text("ab\ta b |\n")
    lexicon = Lexicon({"ab": [("a", "b", "|")]})
    for chosen in (lexicon, tmp_path / "lexicon.txt", str(tmp_path / "lexicon.txt")):
        assert list(open_decoder(TOKENS, SearchOptions(lexicon=chosen)).words) == ["ab"]
    without = open_decoder(package, SearchOptions(lexicon="none", neural_lm="none"))
    assert set(without.words) == {"a", "cab", "bad", "dab"}  # the n-gram's, spelled in characters
    phones = Tokens(["<blank>", "|", "AA", "B"])
    with pytest.raises(TextError, match="tokens are phones"):
        open_decoder(phones, SearchOptions(lm=package.lm_path))
