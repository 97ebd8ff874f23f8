"""Commands that would overwrite what they read, and options without effect."""

from __future__ import annotations

import json
import shutil
import unicodedata

import numpy as np
import pytest

from asr.shipped import model_folder


@pytest.fixture
def files(tmp_path):
    log_probs = np.log(np.full((6, 4), 0.25, np.float32))
    np.savez(tmp_path / "outputs.npz", u1=log_probs)
    np.savez(tmp_path / "empty.npz")
    (tmp_path / "tokens.txt").write_text("<blank>\n|\na\nb\n")
    (tmp_path / "lexicon.txt").write_text("a\ta |\nab\ta b |\n")
    (tmp_path / "text.txt").write_text("a ab\nab a\n")
    (tmp_path / "m.jsonl").write_text('{"id": "u1", "audio_filepath": "u1.wav", "duration": 1.0, "text": "a"}\n')
    return tmp_path


@pytest.mark.parametrize("name", ["outputs.npz", "tokens.txt", "lexicon.txt"])
def test_decode_does_not_overwrite_what_it_reads(run, files, name):
    before = (files / name).read_bytes()
    stored = ["--log-probs", files / "outputs.npz", "--tokens", files / "tokens.txt"]
    code, _, errors = run("decode", *stored, "--lexicon", files / "lexicon.txt", "--output", files / name)
    assert (code, "would overwrite what is read" in errors) == (2, True)
    assert (files / name).read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        ["decode", "--model", "digits", "--manifest", "m.jsonl", "--output", "m.jsonl"],
        ["tune", "--model", "digits", "--reference", "m.jsonl", "--lm", "none", "--output", "m.jsonl"],
        ["align", "u1.wav", "text.txt", "--output", "text.txt"],
        ["data", "import", "m.jsonl", "--output", "m.jsonl"],
        ["data", "relabel", "m.jsonl", "text.txt", "--output", "text.txt"],
        ["data", "split", "m.jsonl", "--output", "train.jsonl", "m.jsonl"],
        ["transcribe", "--files-from", "text.txt", "u1.wav", "--resume", "--output", "m.jsonl", "m.jsonl"],
        ["tokens", "words", "text.txt", "--output", "text.txt"],
        ["tokens", "subwords", "text.txt", "--output", "text.txt"],
        ["tokens", "lexicon", "--words", "m.jsonl", "--dictionary", "text.txt", "--output", "text.txt"],
        ["tune", "--model", "digits", "--reference", "m.jsonl", "--lm", "text.txt", "--output", "text.txt"],
        ["lm", "ngram", "text.txt", "--output", "text.txt"],
        ["lm", "ngram", "m.jsonl", "--vocab", "text.txt", "--output", "text.txt"],
        ["lm", "interpolate", "text.txt", "lexicon.txt", "--weights", "1,1", "--output", "text.txt"],
        ["lm", "interpolate", "lexicon.txt", "--dev", "text.txt", "--output", "text.txt"],
        ["lm", "text", "text.txt", "--output", "text.txt"],
        ["lm", "text", "m.jsonl", "--apart", "text.txt", "--output", "new.txt", "--printed", "text.txt"],
        ["nlp", "text", "text.txt", "--lines", "--output", "text.txt"],
        ["nlp", "predict", "text.txt", "--lines", "--model", "none", "--output", "text.txt"],
    ],
)
def test_other_commands_do_not_either(run, files, monkeypatch, command):
    monkeypatch.chdir(files)
    before = (files / command[-1]).read_bytes()
    code, _, errors = run(*command)
    assert (code, "would overwrite what is read" in errors) == (2, True)
    assert (files / command[-1]).read_bytes() == before


def test_the_folders_of_models_are_not_overwritten_by_what_is_made_of_them(run, tmp_path, tiny_model):
    acoustic = tmp_path / "acoustic"
    shutil.copytree(tiny_model, acoustic)
    lm = tmp_path / "lm"
    shutil.copytree(model_folder("english") / "lstm", lm)
    (tmp_path / "link").symlink_to(acoustic)
    for command, folder in (
        (("checkpoint", "average", tiny_model, acoustic, "--output", tmp_path / "link"), acoustic),
        (("lm", "pack", lm, "--output", lm), lm),
    ):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        code, _, errors = run(*command)
        assert (code, "would overwrite what is read" in errors) == (2, True)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("command", ["augment", "join"])
def test_a_corpus_is_not_made_in_the_folder_that_it_is_made_of(run, tmp_path, make_wav, command):
    folder = tmp_path / "corpus"
    folder.mkdir()
    manifest = folder / "manifest.jsonl"
    manifest.write_text(json.dumps({"id": "u", "audio_filepath": str(make_wav("a.wav")), "duration": 0.5}) + "\n")
    before = manifest.read_bytes()
    code, _, errors = run("data", command, manifest, "--output", folder)
    assert (code, "would overwrite what is read" in errors) == (2, True)
    assert manifest.read_bytes() == before
    assert not (folder / "audio").exists()


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["decode", "--manifest", "m.jsonl", "--lm", "gone.arpa"], "gone.arpa"),
        (["decode", "--manifest", "m.jsonl", "--lm", "none", "--lexicon", "gone.txt"], "gone.txt"),
        (["tune", "--reference", "m.jsonl", "--lm", "gone.arpa"], "gone.arpa"),
        (["tune", "--reference", "m.jsonl", "--lm", "lm.arpa", "--neural-lm", "gone"], "gone"),
        (["evaluate", "--data", ".", "--sets", "dev-clean", "--lm", "gone.arpa"], "gone.arpa"),
    ],
)
def test_what_cannot_be_used_is_named_before_the_network_runs(run, files, monkeypatch, command, named):
    """It was named after hours of it."""
    monkeypatch.chdir(files)
    (files / "text.txt").write_text("zero one two three four five six seven eight nine oh\n")
    assert run("lm", "ngram", "text.txt", "--output", "lm.arpa")[0] == 0
    (files / "m.jsonl").write_text('{"id": "u1", "audio_filepath": "u1.wav", "duration": 1.0, "text": "one"}\n')
    for module in ("decode", "tune", "evaluate"):
        monkeypatch.setattr(f"asr.cli.speech.{module}.compute_log_probs", lambda *_, **__: pytest.fail("it ran"))
    monkeypatch.setattr("asr.cli.speech.evaluate.download_corpus", lambda *_: pytest.fail("it ran"))
    code, _, errors = run(*command, "--model", "digits")
    assert code in (1, 2)
    assert named in errors


@pytest.mark.parametrize("beams", ["10,x", "0", "10,-1", "2.5"])
def test_beam_sizes_that_are_none_are_wrong_usage(run, files, beams):
    code, _, errors = run("tune", "--model", "digits", "--reference", files / "m.jsonl", "--lm", "x", "--beams", beams)
    assert (code, f"'{beams}' must be beam sizes" in errors) == (2, True)


def test_importing_texts_of_another_language_warns(run, tmp_path, make_wav):
    wav = make_wav("a.wav", 1.0)
    (tmp_path / "clips.csv").write_text(f"path,text\n{wav},Привет\n")
    for options, warned, text in (([], True, ""), (["--no-normalize"], False, "Привет")):
        code, _, errors = run("data", "import", tmp_path / "clips.csv", *options, "--output", tmp_path / "m.jsonl")
        assert (code, "lose letters that English does not have, the first is 'Привет'" in errors) == (0, warned)
        assert json.loads((tmp_path / "m.jsonl").read_text())["text"] == text


def test_importing_joins_letters_with_their_accents(run, tmp_path, make_wav):
    wav = make_wav("a.wav", 1.0)
    (tmp_path / "clips.csv").write_text(f"path,text\n{wav},{unicodedata.normalize('NFD', 'Über été')}\n")
    assert run("data", "import", tmp_path / "clips.csv", "--no-normalize", "--output", tmp_path / "m.jsonl")[0] == 0
    assert json.loads((tmp_path / "m.jsonl").read_text())["text"] == "Über été"


def test_train_warns_of_a_dev_set_that_is_trained_on(run, tmp_path, make_wav):
    rows = [{"id": name, "audio_filepath": str(make_wav(f"{name}.wav", 0.3)), "text": "a"} for name in "abc"]
    for name, chosen in (("train", rows[:2]), ("dev", rows[1:]), ("other", rows[2:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({**row, "duration": 0.3}) + "\n" for row in chosen))
    train = ["train", "--config", "small", "--set", "data.min_seconds=5", "--train", tmp_path / "train.jsonl"]
    errors = run(*train, "--dev", tmp_path / "dev.jsonl", "--output", tmp_path / "m")[2]
    assert "warning: 1 of 2 utterances of the dev set are trained on" in errors
    assert "warning" not in run(*train, "--dev", tmp_path / "other.jsonl", "--output", tmp_path / "m")[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}x", "cannot be read as JSON"), ('{"lm_weight": "x"}', "'lm_weight' must be a number, not 'x'"),
     ('{"lm_wait": 1}', "did you mean 'lm_weight'?"), ("[1]", "must hold one JSON object")],
)  # fmt: skip
def test_pack_names_the_file_whose_settings_cannot_be_used(run, tmp_path, text, message):
    (tmp_path / "tuned.json").write_text(text)
    options = ["--decoding", tmp_path / "tuned.json", "--output", tmp_path / "m"]
    code, _, errors = run("checkpoint", "pack", "digits", *options)
    assert (code, "tuned.json" in errors, message in errors) == (2, True, True)


def test_options_without_effect_and_files_without_utterances_are_refused(run, files):
    stored = ["--log-probs", files / "outputs.npz", "--tokens", files / "tokens.txt", "--greedy"]
    for option in ("--manifest", "--save-log-probs"):
        code, _, errors = run("decode", *stored, option, files / "m.jsonl")
        assert (code, f"{option} has no effect with --log-probs" in errors) == (2, True)
    computed = ["decode", "--model", "digits", "--manifest", files / "m.jsonl"]
    assert "--tokens has no effect with --model" in run(*computed, "--tokens", files / "tokens.txt")[2]
    code, _, errors = run("decode", "--log-probs", files / "empty.npz", "--tokens", files / "tokens.txt", "--greedy")
    assert (code, "holds no utterance" in errors) == (1, True)
    for option in ("--most", "--min-count"):
        assert run("tokens", "words", files / "text.txt", option, -1, "--output", files / "words.txt")[0] == 2
    assert run("score", files / "text.txt", files / "text.txt", "--worst", -1)[0] == 2


@pytest.mark.parametrize("name", ["said.ctm", "said.JSON", "said.srt.gz", "said.jsonl", "said.npz"])
def test_decode_writes_no_texts_under_the_name_of_another_format(run, files, name):
    stored = ["--log-probs", files / "outputs.npz", "--tokens", files / "tokens.txt", "--greedy"]
    code, _, errors = run("decode", *stored, "--output", files / name)
    assert (code, "let its name end in .trn or .txt" in errors) == (2, True)
    assert not (files / name).exists()
    for possible in ("said.trn.gz", "said.hyp", "text"):
        assert run("decode", *stored, "--output", files / possible)[0] == 0


@pytest.mark.parametrize("name", ["f.csv", "f.npz", "f.txt", "f.npy.gz"])
def test_features_writes_no_array_under_the_name_of_another_format(run, make_wav, tmp_path, name):
    code, _, errors = run("features", make_wav("a.wav"), "--output", tmp_path / name)
    assert (code, "would hold a NumPy array" in errors, "end in .npy" in errors) == (2, True, True)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    "command", [("augment", "m.jsonl"), ("join", "m.jsonl"), ("sounds",), ("split", "m.jsonl")], ids=lambda c: c[0]
)
def test_a_negative_seed_is_wrong_usage(run, files, monkeypatch, command):
    monkeypatch.chdir(files)
    outputs = ("a.jsonl", "b.jsonl") if command[0] == "split" else ("made",)
    code, _, errors = run("data", *command, "--output", *outputs, "--seed", -1)
    assert (code, "'--seed': -1 is not in the range" in errors) == (2, True)
    assert not (files / outputs[0]).exists()
