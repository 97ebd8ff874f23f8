"""Model folders made of others."""

import json
import shutil

import numpy as np
import pytest

from asr.decode.build import SearchOptions, choose_parts
from asr.errors import AsrError, ConfigError
from asr.model_folder import read_arrays
from asr.model_package import ModelPackage
from asr.recognizer.description import describe, describe_network
from asr.recognizer.packing import Replacements, pack_model
from asr.recognizer.recognizer import Recognizer
from asr.shipped import model_folder

DIGITS = model_folder("digits")


def _files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_is_not_replaced_is_kept_byte_for_byte(tmp_path):
    packed = pack_model(DIGITS, tmp_path / "same", Replacements())
    assert _files(packed.folder) == _files(DIGITS)


def test_a_model_with_another_lexicon_keeps_its_language_model_card_and_settings(run, tmp_path, make_wav):
    lexicon = tmp_path / "more.txt"
    lexicon.write_text((DIGITS / "lexicon.txt").read_text() + "won\tw o n |\n")
    code, _, errors = run("checkpoint", "pack", "digits", "--lexicon", lexicon, "--output", tmp_path / "more")
    assert code == 0, errors
    before, after = _files(DIGITS), _files(tmp_path / "more")
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"lexicon.txt"}
    assert run("transcribe", make_wav(), "--model", tmp_path / "more")[0] == 0
    assert "won" in Recognizer.load(tmp_path / "more").decoder.words


def test_a_tagger_and_an_lstm_are_kept_with_all_their_files(tmp_path):
    made = tmp_path / "made"
    shutil.copytree(DIGITS, made)
    shutil.copytree(model_folder("english") / "lstm", made / "lstm")
    (made / "marks").mkdir()
    (made / "marks" / "config.json").write_text("{}")
    packed = pack_model(made, tmp_path / "packed", Replacements())
    for folder in ("lstm", "marks"):
        assert _files(packed.folder / folder) == _files(made / folder)
    again = pack_model(made, tmp_path / "packed", Replacements(neural_lm="none"))
    assert again.neural_lm_path is None


def test_parts_that_do_not_fit_are_refused_and_nothing_is_changed(run, tmp_path):
    output = pack_model(DIGITS, tmp_path / "m", Replacements()).folder
    before = _files(output)
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("one\tQ X |\n")
    (tmp_path / "lm.bin").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n")
    (tmp_path / "other.arpa").write_text("no model")
    for options in (
        ["--lexicon", wrong], ["--lexicon", tmp_path / "absent"], ["--lm", tmp_path / "lm.bin"],
        ["--lm", tmp_path / "other.arpa"], ["--neural-lm", tmp_path / "absent"], ["--lm-weight", "-1"],
    ):  # fmt: skip
        code, _, errors = run("checkpoint", "pack", "digits", *options, "--output", output)
        assert code in (1, 2), options
        assert errors.count("\n") == 1, errors
        assert _files(output) == before
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".m.")]


def test_a_language_model_that_is_left_out_is_named_nowhere(tmp_path):
    output = pack_model(DIGITS, tmp_path / "m", Replacements()).folder
    pack_model(output, output, Replacements(lm="none", search={"beam_size": 9}))
    assert "lm" not in json.loads((output / "config.json").read_text())["decoding"]
    assert not list(output.glob("*.arpa*"))
    assert choose_parts(ModelPackage.open(output), SearchOptions()).lm is None
    assert Recognizer.load(output).decoder.config.beam_size == 9


def test_weights_are_stored_anew_only_where_it_is_asked_for(tmp_path):
    whole = pack_model(DIGITS, tmp_path / "whole", Replacements(dtype="float32"))
    arrays = read_arrays(whole.folder / "model.safetensors")
    assert {str(value.dtype) for value in arrays.values()} == {"float32"}
    half = pack_model(whole.folder, tmp_path / "half", Replacements())
    assert {str(value.dtype) for value in read_arrays(half.folder / "model.safetensors").values()} == {"float16"}
    speech = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1
    texts = [Recognizer.load(folder).transcribe(speech, rate=16000).text for folder in (DIGITS, whole.folder)]
    assert texts[0] == texts[1]


def test_weights_of_another_training_are_taken_if_they_fit(tmp_path):
    with pytest.raises(AsrError, match="other tokens or sizes"):
        pack_model(DIGITS, tmp_path / "m", Replacements(network=model_folder("an4")))
    with pytest.raises(ConfigError, match="stored as"):
        pack_model(DIGITS, tmp_path / "m", Replacements(dtype="int4"))
    shutil.copytree(DIGITS, tmp_path / "trained")
    packed = pack_model(DIGITS, tmp_path / "m", Replacements(network=tmp_path / "trained"))
    assert (packed.folder / "model.onnx").exists()


def test_a_description_names_the_layers_the_files_and_the_card(run):
    code, out, _ = run("checkpoint", "show", "english")
    assert code == 0
    assert "6 residual blocks 256 wide, each a bidirectional LSTM of 192 units a direction, self-attention" in out
    assert "a convolution over 15 frames" in out
    assert "LSTM language model: 2 layers of 512 units" in out
    assert "**Trained on**" in out
    assert "WER" in out
    assert describe(DIGITS).startswith("network: ")
    assert describe_network({"kind": "gru", "num_layers": 2, "hidden_size": 8, "attention_heads": 2}) == (
        "2 layers, each a GRU of 8 units, then self-attention of 2 heads"
    )
