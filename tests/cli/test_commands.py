"""The commands as a user calls them: their exit codes, their messages, their formats."""

from __future__ import annotations

import errno
import gzip
import itertools
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from torchaudio.functional import forced_align

from asr.acoustic.checkpoint import save_checkpoint
from asr.acoustic.config import AcousticConfig
from asr.acoustic.network import AcousticModel
from asr.acoustic.run import AcousticRun, AcousticRunConfig
from asr.cli.main import COMMANDS
from asr.cli.speech.transcribe import expand
from asr.data.manifest import read_manifest
from asr.errors import TextError
from asr.lm.ngram.arpa import read_arpa
from asr.text.lexicon import read_spelled
from asr.text.tokens import Tokens
from tests.conftest import noise_burst, speech_like, tiny_checkpoint


def test_help_lists_every_command_with_an_example(run):
    code, out, _ = run("--help")
    assert code == 0
    for name in COMMANDS:
        assert name in out
        help_code, text, _ = run(name, "--help")
        assert help_code == 0
        assert "Example" in text, name


def test_wrong_usage_exits_with_2(run, tmp_path):
    for arguments in (
        ["nonsense"], ["transcribe"], ["transcribe", "a.wav", "--format", "pdf"], ["transcribe", "a.wav", "--wrong"],
        ["decode"], ["decode", "--model", "x", "--log-probs", "y"], ["score", "only-one"],
        ["transcribe", "a.wav", "--neural-share", "2"], ["decode", "--log-probs", "x", "--beam-size", "0"],
    ):  # fmt: skip
        assert run(*arguments)[0] == 2, arguments


def test_the_program_runs_as_a_command_and_prints_no_traceback(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", "from asr.cli.main import main; main()", "transcribe", "none.wav"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 1
    assert "none.wav does not exist" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def _bad_audio(folder) -> list:
    """Files that cannot be transcribed, by what is wrong with them."""
    good = speech_like(2.0)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("not audio at all\n" * 20)
    soundfile.write(folder / "cut.flac", speech_like(20.0), 16000)
    data = (folder / "cut.flac").read_bytes()
    (folder / "cut.flac").write_bytes(data[: len(data) // 2])
    soundfile.write(folder / "promise.wav", good, 16000)
    content = bytearray((folder / "promise.wav").read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<I", 10_000_000)
    (folder / "promise.wav").write_bytes(bytes(content))
    broken = good.copy()
    broken[100] = np.nan
    soundfile.write(folder / "nan.wav", broken, 16000, subtype="FLOAT")
    return ["missing.wav", "empty.wav", "text.wav", "cut.flac", "promise.wav", "nan.wav"]


def test_bad_files_are_one_line_each_and_the_others_are_done(run, tmp_path, tiny_model):
    bad = _bad_audio(tmp_path)
    soundfile.write(tmp_path / "good.wav", speech_like(1.0), 16000)
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
    soundfile.write(tmp_path / "one.wav", np.zeros(1), 16000)
    paths = [tmp_path / name for name in [*bad, "good.wav", "silence.wav", "one.wav"]]
    code, out, err = run("transcribe", *paths, "--model", tiny_model, "--format", "json", "--device", "cpu")
    assert code == 1
    results = [json.loads(line) for line in out.splitlines()]
    assert [result["file"] for result in results] == [str(path) for path in paths[-3:]]
    assert [result["text"] for result in results[1:]] == ["", ""]
    assert set(results[0]) == {"file", "text", "duration", "words"}
    lines = [line for line in err.splitlines() if line.startswith("asr: ")]
    assert len(lines) == len(bad)
    for name, line in zip(bad, lines, strict=True):
        assert name in line


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [(8000, 1, "PCM_16"), (96000, 1, "PCM_24"), (44100, 6, "FLOAT"), (16000, 2, "PCM_32"), (16000, 1, "DOUBLE")],
)
def test_any_sound_format_is_transcribed(run, make_wav, tiny_model, rate, channels, subtype):
    path = make_wav("a.wav", 1.0, rate, channels, subtype)
    code, out, _ = run("transcribe", path, "--model", tiny_model, "--format", "json", "--device", "cpu")
    assert code == 0
    assert json.loads(out)["duration"] == pytest.approx(1.0, abs=0.01)


def test_folders_and_globs_are_taken_and_formats_written(run, make_wav, tmp_path, tiny_model):
    make_wav("one.wav", 1.0)
    make_wav("two.flac", 1.0)
    (tmp_path / "notes.txt").write_text("no audio")
    (tmp_path / "._one.wav").write_text("what macOS notes of one.wav")
    out_dir = tmp_path / "out"
    code, out, _ = run(
        "transcribe", tmp_path, "--model", tiny_model, "--output-dir", out_dir, "--format", "srt", "--format", "json"
    )
    assert (code, out) == (0, "")
    assert sorted(path.name for path in out_dir.glob("[!.]*")) == ["one.json", "one.srt", "two.json", "two.srt"]
    code, out, _ = run("transcribe", f"{tmp_path}/*.flac", "--model", tiny_model, "--format", "json")
    assert code == 0
    assert json.loads(out)["file"].endswith("two.flac")
    code, out, _ = run("transcribe", tmp_path / "one.wav", "--model", tiny_model, "--format", "json", "--format", "vtt")
    assert code == 0
    _, several, _ = run("transcribe", tmp_path, "--model", tiny_model, "--format", "srt")
    assert re.findall(r"^==> .*/(.*): srt <==$", several, re.M) == ["one.wav", "two.flac"]
    parts = re.split(r"^==> (.*): (\w+) <==\n", out, flags=re.MULTILINE)
    assert parts[0] == ""
    assert [Path(name).name for name in parts[1::3]] == ["one.wav", "one.wav"]
    assert parts[2::3] == ["json", "vtt"]
    assert json.loads(parts[3])["file"].endswith("one.wav")
    assert parts[6].startswith("WEBVTT")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "gone.wav").symlink_to("nowhere.wav")
    code, _, err = run("transcribe", tmp_path / "links", "--model", tiny_model)
    assert code == 1
    assert "gone.wav does not exist" in err
    code, _, err = run("transcribe", tmp_path / "nothing", "--model", tiny_model)
    assert code == 1
    assert "holds no audio file" in err


def test_recordings_of_telephones_and_cameras_in_a_folder_are_taken(tmp_path):
    for name in ("a.AMR", "b.3gp", "c.avi", "d.m4b", "e.mpg", "f.mka", "notes.txt", "script.ts"):
        (tmp_path / name).write_bytes(b"x")
    assert [Path(file.path).name[0] for file in expand([str(tmp_path)])[0]] == list("abcdef")


def test_a_sub_folder_that_cannot_be_read_is_named_and_the_rest_is_taken(make_wav, tmp_path, monkeypatch):
    make_wav("one.wav", 1.0)
    (tmp_path / "locked").mkdir()
    listing = os.scandir

    def scandir(folder):
        if Path(folder).name == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return listing(folder)

    monkeypatch.setattr(os, "scandir", scandir)  # the tests may run as a user who can read everything
    files, errors = expand([str(tmp_path)])
    assert [file.path for file in files] == [str(tmp_path / "one.wav")]
    assert [str(error) for error in errors] == [
        f"the folder {tmp_path / 'locked'} cannot be read (Permission denied); check its permissions."
    ]
    assert [len(each) for each in expand([str(tmp_path / "locked")])] == [0, 1]


def test_an_output_folder_that_cannot_be_written_is_named(run, make_wav, tmp_path, tiny_model):
    (tmp_path / "file").write_text("in the way")
    code, _, err = run("transcribe", make_wav(), "--model", tiny_model, "--output-dir", tmp_path / "file" / "out")
    assert code == 1
    assert "cannot write into the output folder" in err
    if os.geteuid() != 0:  # root may write anywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        code, _, err = run("transcribe", make_wav(), "--model", tiny_model, "--output-dir", tmp_path / "locked")
        assert code == 1


def test_harmed_models_are_named(run, make_wav, tmp_path):
    folder = tmp_path / "model"
    save_checkpoint(folder, *tiny_checkpoint())
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-10])
    code, _, err = run("transcribe", make_wav(), "--model", folder)
    assert code == 1
    assert "cut short" in err
    code, _, err = run("transcribe", make_wav(), "--model", tmp_path / "none")
    assert code == 1
    assert "no model folder" in err


def test_stored_log_probs_are_decoded_in_the_fixed_form(run, tmp_path):
    checkpoint = tiny_checkpoint()
    (tmp_path / "tokens.txt").write_text(checkpoint.tokens.to_text())
    (tmp_path / "lexicon.txt").write_text(checkpoint.lexicon.to_text())
    arrays = {}
    for name, text in (("u2", "cab"), ("u1", "a dab"), ("u3", "")):
        path = [0]
        for token in checkpoint.tokens.encode(text):
            path += [token, 0]
        log_probs = np.full((len(path), len(checkpoint.tokens)), np.log(0.001))
        log_probs[np.arange(len(path)), path] = np.log(1 - 0.028)
        arrays[name] = log_probs.astype(np.float16)
    np.savez(tmp_path / "lp.npz", **arrays)
    common = ["decode", "--log-probs", tmp_path / "lp.npz", "--tokens", tmp_path / "tokens.txt"]
    code, out, _ = run(*common, "--lexicon", tmp_path / "lexicon.txt", "--beam-size", 20, "--threads", 2, "--json")
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["id"], line["text"]) for line in lines[:-1]] == [("u1", "a dab"), ("u2", "cab"), ("u3", "")]
    assert set(lines[0]) == {"id", "text", "score", "words"}
    assert set(lines[-1]) == {"decode_seconds", "audio_frames", "utterances"}
    assert lines[-1]["utterances"] == 3
    assert lines[-1]["audio_frames"] == sum(len(array) for array in arrays.values())
    code, out, _ = run(*common, "--limit", 2)
    assert (code, out) == (0, "u1 a dab\nu2 cab\n")
    code, _, _ = run(*common, "--output", tmp_path / "h.trn")
    assert (tmp_path / "h.trn").read_text() == "a dab (u1)\ncab (u2)\n(u3)\n"
    (tmp_path / "ref.txt").write_text("u1 a dab\nu2 cab bad\nu3\n")
    code, out, _ = run("score", tmp_path / "ref.txt", tmp_path / "h.trn", "--json")
    assert code == 0
    assert json.loads(out)["wer"] == pytest.approx(0.25)


def test_sentences_without_ids_are_noticed_where_they_are_scored(run, tmp_path):
    for name, lines in (("plain", "hello world\ngood day\n"), ("ids", "u1 hello world\nu2 good day\n")):
        (tmp_path / f"{name}.txt").write_text(lines)
        errors = run("score", tmp_path / f"{name}.txt", tmp_path / f"{name}.txt")[2]
        assert ("its id, such as 'hello', and is not scored" in errors) == (name == "plain")


def test_bad_log_probs_are_named(run, tmp_path):
    (tmp_path / "tokens.txt").write_text(tiny_checkpoint().tokens.to_text())
    np.savez(tmp_path / "wide.npz", u=np.zeros((4, 50)))
    (tmp_path / "junk.npz").write_text("junk")
    for name, message in (("wide.npz", "does not fit"), ("junk.npz", "no .npz"), ("none.npz", "does not exist")):
        code, _, err = run("decode", "--log-probs", tmp_path / name, "--tokens", tmp_path / "tokens.txt")
        assert code == 1
        assert message in err


def test_features_are_written_with_a_picture(run, make_wav, tmp_path):
    path = make_wav("a.wav", 1.0)
    code, _, err = run("features", path, "--output", tmp_path / "f.npy", "--plot", tmp_path / "f.png")
    assert code == 0
    assert "98 frames of 80 values" in err
    assert np.load(tmp_path / "f.npy").shape == (98, 80)
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    soundfile.write(tmp_path / "one.wav", np.zeros(1), 16000)
    code, _, err = run("features", tmp_path / "one.wav", "--output", tmp_path / "g.npy")
    assert code == 1
    assert "shorter than one frame" in err


@pytest.mark.parametrize(
    "command",
    [
        ("features", "a.wav", "--plot"), ("inspect", "gates", "a.wav", "--output"),
        ("inspect", "attribution", "a.wav", "--at", "1", "--output"), ("forecast", "compare", "a.csv", "--plot"),
        ("nlp", "evaluate", "a.csv", "--model", "m", "--plot"), ("forecast", "predict", "a.csv", "--plot"),
    ],
)  # fmt: skip
def test_a_picture_of_a_form_that_cannot_be_written_is_refused_before_the_work(run, command):
    code, _, err = run(*command, "talk.wav")
    assert code == 2
    assert "pictures are not written as .wav" in err


def _toy_corpus(tmp_path) -> None:
    """Eight clips of two 'words': bursts of low or of high noise."""
    lines = []
    for number in range(8):
        word, band = ("a", slice(80, 900)) if number % 2 else ("b", slice(1600, 6000))
        soundfile.write(tmp_path / f"{number}.wav", noise_burst(band, number), 16000)
        lines.append({"audio_filepath": f"{number}.wav", "text": word.upper(), "speaker": f"s{number % 4}"})
    lines.append({"audio_filepath": "lost.wav", "text": "a"})
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


TOY = """\
tokens = "{0}/tokens.txt"
[model]
hidden_size = 16
num_layers = 1
conv_channels = 8
input_size = 16
dropout = 0.0
[model.features]
num_mel_bins = 20
[augment]
speeds = [0.95, 1.0, 1.05]
freq_masks = 0
[data]
batch_seconds = 1.9
[train]
epochs = 40
peak_lr = 0.01
device = "cpu"
average = 2
checkpoint_seconds = 0.0
"""


def test_from_corpus_to_scored_text_by_commands_alone(run, tmp_path):
    _toy_corpus(tmp_path)
    code, _, err = run("data", "import", tmp_path / "corpus.jsonl", "--output", tmp_path / "all.jsonl")
    assert code == 0
    assert "lost.wav does not exist" in err
    assert run("data", "check", tmp_path / "all.jsonl")[0] == 0
    assert json.loads(run("data", "stats", tmp_path / "all.jsonl", "--json")[1])["utterances"] == 8
    parts = [tmp_path / "train.jsonl", tmp_path / "dev.jsonl"]
    assert run("data", "split", tmp_path / "all.jsonl", "--output", parts[0], parts[0])[0] == 2  # one would be lost
    assert run("data", "split", tmp_path / "all.jsonl", "--dev", 0.2, "--output", *parts)[0] == 0
    assert run("tokens", "characters", "--characters", "ab", "--output", tmp_path / "tokens.txt")[0] == 0
    assert run("lm", "ngram", parts[0], "--order", 2, "--output", tmp_path / "lm.arpa.gz")[0] == 0
    (tmp_path / "c.toml").write_text(TOY.format(tmp_path))
    train = ["train", "--config", tmp_path / "c.toml", "--train", parts[0], "--dev", parts[1], "--output"]
    code, _, err = run(*train, tmp_path / "model")
    assert code == 0
    assert "epoch 40" in err
    model = ["--model", tmp_path / "model", "--manifest", tmp_path / "all.jsonl", "--lm", tmp_path / "lm.arpa.gz"]
    assert run("decode", *model, "--output", tmp_path / "hyp.trn", "--save-log-probs", tmp_path / "lp.npz")[0] == 0
    result = json.loads(run("score", tmp_path / "all.jsonl", tmp_path / "hyp.trn", "--json")[1])
    assert result["wer"] == 0.0
    assert result["wer_interval_speakers"] == [0.0, 0.0]
    stored = ["--log-probs", tmp_path / "lp.npz", "--tokens", tmp_path / "tokens.txt", "--lm", tmp_path / "lm.arpa.gz"]
    assert run("decode", *stored, "--output", tmp_path / "hyp2.trn.gz")[0] == 0
    assert gzip.decompress((tmp_path / "hyp2.trn.gz").read_bytes()) == (tmp_path / "hyp.trn").read_bytes()
    tune = ["tune", *stored, "--reference", tmp_path / "all.jsonl", "--trials", 4, "--output", tmp_path / "t.json"]
    assert run(*tune)[0] == 0
    packed = ["--output", tmp_path / "ship", "--lm", tmp_path / "lm.arpa.gz", "--decoding", tmp_path / "t.json"]
    assert run("checkpoint", "pack", tmp_path / "model", *packed)[0] == 0
    code, out, _ = run("transcribe", tmp_path / "0.wav", tmp_path / "1.wav", "--model", tmp_path / "ship")
    assert code == 0
    assert [line.split("\t")[1] for line in out.splitlines()] == ["b", "a"]
    more = ["--set", f"init={tmp_path / 'model'}", "--set", "train.epochs=1", "--set", "criterion.kind=mwer"]
    code, _, err = run(*train, tmp_path / "mwer", *more)
    assert code == 2
    assert "needs criterion.lm" in err
    code, _, err = run(*train, tmp_path / "mwer", *more, "--set", f"criterion.lm={tmp_path / 'lm.arpa.gz'}")
    assert code == 0, err
    assert "wer 0.00%" in err
    assert "expected_errors" in (tmp_path / "mwer" / "training" / "log.jsonl").read_text()
    assert run("checkpoint", "show", tmp_path / "ship")[0] == 0
    average = ("checkpoint", "average", tmp_path / "model", tmp_path / "mwer", "--output", tmp_path / "avg")
    assert run(*average, "--weights", "0.3,0.7")[0] == 0
    first, second, mean = (load_file(tmp_path / name / "model.safetensors") for name in ("model", "mwer", "avg"))
    assert any((first[name] != second[name]).any() for name in first)
    for name, value in mean.items():
        np.testing.assert_allclose(value, 0.3 * first[name] + 0.7 * second[name], rtol=1e-5, atol=1e-7)
    assert run(*average, "--weights", "0.3,0.6")[0] == 2


def test_a_subword_model_is_trained_and_decoded_to_words_with_times(run, tmp_path):
    _toy_corpus(tmp_path)
    manifest, names = tmp_path / "all.jsonl", {"A": "lo", "B": "hi"}
    lines = [json.loads(line) for line in (tmp_path / "corpus.jsonl").read_text().splitlines()[:8]]
    lines = [line | {"text": names[line["text"]]} for line in lines]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run("data", "import", tmp_path / "corpus.jsonl", "--output", manifest)[0] == 0
    assert run("tokens", "subwords", manifest, "--size", 7, "--output", tmp_path / "tokens.txt")[0] == 0
    tokens = Tokens.read(tmp_path / "tokens.txt")
    assert tokens.kind == "subwords"
    (tmp_path / "c.toml").write_text(TOY.format(tmp_path))
    train = ["--config", tmp_path / "c.toml", "--train", manifest, "--dev", manifest, "--set", "train.epochs=60",
             "--set", "train.checkpoint_seconds=600"]  # fmt: skip
    code, _, err = run("train", *train, "--output", tmp_path / "model")
    assert code == 0, err
    spelled = {word: " ".join(tokens.names[index] for index in tokens.spell(word)) for word in ("lo", "hi")}
    (tmp_path / "lexicon.txt").write_text("".join(f"{word}\t{way}\n" for word, way in spelled.items()))
    (tmp_path / "pieces.txt").write_text("".join(f"{way}\n" for way in spelled.values()))
    for text, name in (("pieces.txt", "pieces.arpa"), ("all.jsonl", "words.arpa")):
        assert run("lm", "ngram", tmp_path / text, "--order", 2, "--output", tmp_path / name)[0] == 0
    searches = {
        "greedy": ["--greedy"],
        "tokens": ["--lm", tmp_path / "pieces.arpa"],
        "lexicon": ["--lexicon", tmp_path / "lexicon.txt", "--lm", tmp_path / "words.arpa"],
    }
    times = []
    for search in searches.values():
        decode = ["decode", "--model", tmp_path / "model", "--manifest", manifest, "--json", *search]
        *utterances, _ = map(json.loads, run(*decode)[1].splitlines())
        assert [utterance["text"] for utterance in utterances] == [line["text"] for line in lines]
        times.append([(word["start"], word["end"]) for utterance in utterances for word in utterance["words"]])
    assert all(0 <= start < end <= 0.8 for start, end in times[0])
    for other in times[1:]:  # a search sums over alignments, and may place a token a frame or two elsewhere
        assert np.array(other) == pytest.approx(np.array(times[0]), abs=0.13)


def test_a_training_command_killed_in_an_epoch_resumes_to_the_same_weights_bit_for_bit(run, tmp_path, monkeypatch):
    _toy_corpus(tmp_path)
    run("data", "import", tmp_path / "corpus.jsonl", "--output", tmp_path / "all.jsonl")
    run("tokens", "characters", "--characters", "ab", "--output", tmp_path / "tokens.txt")
    (tmp_path / "c.toml").write_text(TOY.format(tmp_path))
    train = ["train", "--config", tmp_path / "c.toml", "--train", tmp_path / "all.jsonl", "--dev",
             tmp_path / "all.jsonl", "--set", "train.epochs=3", "--set", "model.dropout=0.2", "--output"]  # fmt: skip
    assert run(*train, tmp_path / "whole")[0] == 0
    from asr.train import loop

    original = loop.Trainer._train_step

    def stumble(self, batches):
        if self.step == 4 and not (tmp_path / "stumbled").exists():
            (tmp_path / "stumbled").touch()
            raise KeyboardInterrupt
        return original(self, batches)

    monkeypatch.setattr(loop.Trainer, "_train_step", stumble)
    assert run(*train, tmp_path / "cut")[0] == 130
    code, _, err = run(*train, tmp_path / "cut")
    assert code == 1
    assert "--resume" in err
    code, _, err = run(*train, tmp_path / "cut", "--resume", "--set", "model.dropout=0.5")
    assert (code, "trained with model.dropout = 0.2, not 0.5; use the same" in err) == (1, True), err
    code, _, err = run(*train, tmp_path / "cut", "--resume", "--set", "data.cache_hours=0")
    assert (code, "going on in epoch 2" in err) == (0, True), err
    code, _, err = run(*train, tmp_path / "cut", "--resume")
    assert (code, "epochs are trained; nothing is left to do" in err) == (0, True), err
    whole, cut = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_references_that_cannot_be_spelled_are_named_with_their_id(run, tmp_path, make_wav):
    path = make_wav("a.wav", 1.0)
    lines = [
        {"id": f"u{i}", "audio_filepath": str(path), "duration": 1.0, "text": t} for i, t in enumerate(("a", "é", "b"))
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "tokens.txt").write_text("<blank>\n|\na\nb\n")
    (tmp_path / "c.toml").write_text(TOY.format(tmp_path))
    code, _, err = run(
        "train", "--config", tmp_path / "c.toml", "--train", tmp_path / "m.jsonl", "--dev", tmp_path / "m.jsonl",
        "--output", tmp_path / "m", "--set", "train.epochs=1",
    )  # fmt: skip
    assert code == 0
    assert "u1: 'é' holds 'é', which no token stands for" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [("[train]\nepoch = 3\n", "unknown configuration key 'train.epoch'"), ("[train\n", "not valid TOML"),
     ("[train]\nepochs = 'x'\n", "must be int"), ("[train]\nprecision = 'fp8'\n", "precision")],
)  # fmt: skip
def test_wrong_configurations_are_named_with_exit_code_2(run, tmp_path, text, message):
    (tmp_path / "c.toml").write_text(text)
    code, _, err = run(
        "train", "--config", tmp_path / "c.toml", "--train", "x", "--dev", "x", "--output", tmp_path / "m"
    )
    assert code == 2
    assert message in err


def test_words_and_lexicons_are_made_from_texts(run, tmp_path):
    (tmp_path / "text.txt").write_text("THE CAT SAT\nTHE CATS TAT\n")
    (tmp_path / "dict").write_text(
        "the DH AH0\ncat K AE1 T\nsat S AE1 T\ncats K AE1 T S\nat AE1 T\ntab T AE1 B\ntab's T AE1 B Z\n"
    )
    assert run("tokens", "words", tmp_path / "text.txt", "--output", tmp_path / "words.txt")[0] == 0
    assert (tmp_path / "words.txt").read_text().split() == ["the", "cat", "cats", "sat", "tat"]
    code, _, err = run(
        "tokens", "lexicon", "--words", tmp_path / "words.txt", "--dictionary", tmp_path / "dict",
        "--output", tmp_path / "lexicon.txt", "--tokens", tmp_path / "tokens.txt",
    )  # fmt: skip
    assert code == 0
    assert "5 words, 1 by rule" in err
    assert "tat\tT AE T |\n" in (tmp_path / "lexicon.txt").read_text()
    assert (tmp_path / "tokens.txt").read_text().split()[:3] == ["<blank>", "|", "AE"]


def test_bad_language_model_texts_are_named(run, tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"fine\n\xff\xfe\n")
    (tmp_path / "empty.txt").touch()
    for name, message in (("bad.txt", "line 2"), ("empty.txt", "no word"), ("none.txt", "does not exist")):
        code, _, err = run("lm", "ngram", tmp_path / name, "--output", tmp_path / "x.arpa")
        assert code == 1
        assert message in err
    assert run("lm", "ngram", tmp_path / "bad.txt", "--output", tmp_path / "x.arpa", "--prune", "a b")[0] == 2


def test_a_language_model_holds_the_words_of_a_list_that_its_text_lacks(run, tmp_path):
    (tmp_path / "text").write_text("the cat\nthe dog\n")
    (tmp_path / "words").write_text("The\n\ncat\nox cow\n")
    build = ["lm", "ngram", tmp_path / "text", "--order", 2, "--output", tmp_path / "x.arpa", "--unseen"]
    assert run(*build, "--vocab", tmp_path / "words")[0] == 0
    model = read_arpa(tmp_path / "x.arpa")
    assert sorted(model.words) == ["</s>", "<s>", "<unk>", "cat", "cow", "ox", "the"]
    assert len({model.log_probs[0][model.words.index(word)] for word in ("<unk>", "cow", "ox")}) == 1
    code, _, err = run(*build)
    assert code == 2
    assert "--vocab" in err


def test_compared_files_of_the_same_name_are_told_apart(run, tmp_path):
    (tmp_path / "ref.txt").write_text("a one two\nb three four\n")
    for system, text in (("first", "a one two\nb three four\n"), ("second", "a one\nb three\n")):
        (tmp_path / system).mkdir()
        (tmp_path / system / "h.txt").write_text(text)
    files = [tmp_path / system / "h.txt" for system in ("first", "second")]
    shown = run("score", tmp_path / "ref.txt", *files)[1]
    assert f"{files[1]} is 50.00% absolute worse than {files[0]}" in shown
    files[1] = files[1].rename(tmp_path / "other.txt")
    assert "other.txt is 50.00% absolute worse than h.txt" in run("score", tmp_path / "ref.txt", *files)[1]


def test_utterances_take_recognised_texts(run, make_wav, tmp_path):
    lines = [{"id": name, "audio_filepath": str(make_wav(f"{name}.wav", 0.3)), "text": "t"} for name in "abc"]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    confidences = {"a": {"x": 0.9, "y": 0.5}, "b": {"z": 0.6}, "c": {}}
    decoded = [
        {"id": name, "text": " ".join(words), "words": [{"word": w, "confidence": c} for w, c in words.items()]}
        for name, words in confidences.items()
    ]
    (tmp_path / "h.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*decoded, {"decode_seconds": 1}]))
    (tmp_path / "h.trn").write_text("x y (a)\nw (elsewhere)\n")

    def relabelled(texts, *options) -> dict[str, str] | str:
        """The texts by id that the command writes, or its message if it fails."""
        output = tmp_path / "o"
        code, _, err = run("data", "relabel", tmp_path / "m.jsonl", tmp_path / texts, *options, "--output", output)
        return err if code else {u.id: u.text for u in read_manifest(output).utterances}

    assert relabelled("h.jsonl") == {"a": "x y", "b": "z"}
    assert relabelled("h.jsonl", "--least-confidence", 0.65) == {"a": "x y"}
    assert relabelled("h.trn") == {"a": "x y"}
    assert "no utterance of the manifest has a recognised text" in relabelled("h.jsonl", "--least-confidence", 0.95)
    assert "--least-confidence needs confidences" in relabelled("h.trn", "--least-confidence", 0.5)
    (tmp_path / "h.trn").write_text("x y\n")
    assert "line 1 does not end in an id" in relabelled("h.trn")
    assert "cannot read" in relabelled("nothing.trn")


def test_the_pronunciation_that_was_said_is_chosen_and_trained_on(run, make_wav, tmp_path):
    torch.manual_seed(1)
    tokens = Tokens(["<blank>", "|", "A", "B", "C"])
    config = AcousticConfig(hidden_size=8, num_layers=1, input_size=8, conv_channels=2)
    model = AcousticModel(config, 5).eval()
    with torch.no_grad():
        model.head.weight.mul_(20)  # outputs that tell the tokens apart
    save_checkpoint(tmp_path / "m", model, tokens)
    (tmp_path / "tokens.txt").write_text(tokens.to_text())
    (tmp_path / "lexicon.txt").write_text("x\tA B |\nx\tC |\ny\tB |\ny\tC A |\nz\tA |\n")
    samples = speech_like(0.9)
    lines = [
        {"id": name, "audio_filepath": str(make_wav(f"{name}.wav", 0.9)), "duration": 0.9, "text": "x y"}
        for name in "pq"
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = ["--manifest", tmp_path / "train.jsonl", "--lexicon", tmp_path / "lexicon.txt"]
    code, _, err = run("tokens", "spell", "--model", tmp_path / "m", *options, "--output", tmp_path / "s.txt")
    assert (code, "2 utterances" in err) == (0, True)

    # The likeliest of all combinations by torchaudio's aligner; the last boundary may be left out of the audio.
    log_probs = model.log_probs(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))[0].detach()
    best, chosen = -np.inf, None
    for first, second in itertools.product(([2, 3, 1], [4, 1]), ([3, 1], [4, 2, 1])):
        for end in (second, second[:-1]):
            scores = forced_align(log_probs, torch.tensor([first + end]), blank=0)[1]
            if float(scores.sum()) > best:
                best, chosen = float(scores.sum()), first + second
    assert [read_spelled(tmp_path / "s.txt", tokens)[name] for name in "pq"] == [chosen, chosen]

    (tmp_path / "s.txt").write_text("p C | C A |\nq A |\n")
    settings = AcousticRunConfig(str(tmp_path / "tokens.txt"), str(tmp_path / "lexicon.txt"), str(tmp_path / "s.txt"))
    manifest = read_manifest(tmp_path / "train.jsonl")
    trained = AcousticRun(settings, manifest, manifest, tmp_path / "o")
    assert [(item[0].id, item[1]) for item in trained.task.train] == [("p", [4, 1, 4, 2, 1])]
    assert [str(item) for item in trained.bad][:1] == ["q: its text and its spelling have different numbers of words"]
    (tmp_path / "s.txt").write_text("p C | D |\n")
    with pytest.raises(TextError, match="line 1: 'D' is no token"):
        AcousticRun(settings, manifest, manifest, tmp_path / "o")
