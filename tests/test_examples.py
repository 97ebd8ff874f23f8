"""Every file in examples/ runs as it stands and shows what it says it shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from asr.text.normalize import normalize_english
from tests.conftest import noise_burst

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SPEECH = ROOT / "tests" / "speech" / "hello.flac"
SAID = "the old man walked along the river and said that he had never seen such a beautiful morning"


@pytest.fixture
def example(tmp_path):
    """A function that runs an example in an empty folder and returns what it prints."""

    def run(name: str, *arguments) -> str:
        path = EXAMPLES / name
        command = [sys.executable, path] if path.suffix == ".py" else ["bash", path]
        scripts = tmp_path / "bin"
        scripts.mkdir(exist_ok=True)
        (scripts / "asr").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m asr "$@"\n')
        (scripts / "asr").chmod(0o755)
        search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": search, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        result = subprocess.run(
            [*map(str, command), *map(str, arguments)], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr[-3000:]
        return result.stdout

    return run


def test_every_example_is_listed_and_run_here():
    listed = {path.name for path in EXAMPLES.iterdir()} - {"README.md"}
    readme, tests = (EXAMPLES / "README.md").read_text(), Path(__file__).read_text()
    for name in listed:
        assert f"`{name}`" in readme, name
        assert f'example("{name}"' in tests, name


@pytest.mark.parametrize("name", ["transcribe.py", "subtitles.py", "hotwords.py", "train_small.sh"])
def test_an_example_without_its_argument_says_how_it_is_called(name):
    command = [sys.executable if name.endswith(".py") else "bash", EXAMPLES / name]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode in (1, 2)
    assert len(result.stderr.splitlines()) == 1
    assert f"examples/{name} " in result.stderr


def test_transcribe(example, tmp_path):
    lines = example("transcribe.py", SPEECH).splitlines()
    assert normalize_english(lines[0]) == SAID
    assert len(lines) == 1 + len(SAID.split())
    assert normalize_english(json.loads((tmp_path / "hello.flac.json").read_text())["text"]) == SAID
    missing = subprocess.run([sys.executable, EXAMPLES / "transcribe.py", "none.wav"], capture_output=True, text=True)
    assert (missing.returncode, missing.stderr) == (1, "none.wav does not exist; check the path.\n")


def test_subtitles(example, tmp_path):
    (tmp_path / "talk.txt").write_text(SAID.capitalize() + ".")
    out = example("subtitles.py", SPEECH, tmp_path / "talk.txt")
    assert out.startswith("1\n00:00:00,")
    assert f"{SAID.capitalize()}." in " ".join(line for line in out.splitlines() if line and line[0].isalpha())
    assert (tmp_path / "subtitles.vtt").read_text().startswith("WEBVTT")


def test_hotwords(example):
    lines = example("hotwords.py", SPEECH).splitlines()
    assert len(lines) == 2
    assert all("the old man" in line.lower() and "river" in line.lower() for line in lines)


def test_the_change_from_pyctcdecode(example):
    out = example("ctc_decoder_from_pyctcdecode.py")
    assert "best path:   a bab cab" in out
    assert "with n-gram: a bad cab" in out
    assert "hotword:     a bad dab" in out


def test_the_change_from_torchaudio(example):
    out = example("ctc_decoder_from_torchaudio.py")
    assert "listen to it [('listen', " in out
    assert "two ten [('two', " in out
    assert "so far: listen\n" in out
    assert out.endswith("in the end: listen to it\n")


def test_compare_two_systems(example, tmp_path):
    out = example("compare_two_systems.py")
    assert "first: WER 18.75%" in out
    assert "second: WER 6.25%" in out
    assert "more than chance" in out
    for name, text in (("r", "a b\nc\n"), ("x", "a b\nc\n"), ("y", "a\nc\n")):
        (tmp_path / name).write_text(text)
    assert "second: WER 33.33%" in example("compare_two_systems.py", "r", "x", "y")


def test_train_small(example, tmp_path):
    lines = []
    for number in range(10):
        word, band = ("yes", slice(80, 900)) if number % 2 else ("no", slice(1600, 6000))
        soundfile.write(tmp_path / f"{number}.wav", noise_burst(band, number), 16000)
        lines.append({"audio_filepath": f"{number}.wav", "text": word, "speaker": f"s{number}"})
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    faster = ["--set", "train.epochs=3", "--set", "model.hidden_size=8", "--set", "model.num_layers=1"]
    out = example("train_small.sh", "corpus.jsonl", "work", *faster)
    assert "WER" in out
    assert (tmp_path / "work" / "model" / "model.safetensors").exists()


def test_forecast(example):
    lines = example("forecast.py").splitlines()
    assert {line.split()[0] for line in lines} == {"last-value", "seasonal-naive", "theta", "lstm"}
    assert lines[-1].startswith("last-value")


def test_classify(example):
    out = example("classify.py")
    assert "good (" in out
    assert "bad (" in out
    assert "['good', 'bad']" in out
