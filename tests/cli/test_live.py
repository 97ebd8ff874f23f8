"""`asr transcribe`: streams, channels apart, going on after a kill, URLs."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio.read import read_audio
from asr.cli import console
from asr.cli.speech import live
from asr.decode.timed import Word
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.stream import Utterance
from tests.conftest import speech_like

SPEECH = Path(__file__).parents[1] / "speech" / "hello.flac"
QUICK = ("--neural-lm", "none", "--threads", "1")


@pytest.mark.parametrize("url", ["https://example.org/talk.mp3", "s3://bucket/a.wav?x=1*"])
def test_a_url_is_refused_with_a_sentence_and_the_rest_is_transcribed(run, make_wav, tiny_model, url):
    code, out, err = run("transcribe", url, make_wav(), "--model", tiny_model, "--format", "json")
    assert code == 1
    assert err == f"asr: {url} is a URL, and nothing is downloaded here: fetch the file and give its path.\n"
    assert len(out.splitlines()) == 1
    code, _, err = run("transcribe", url, "--stream", "--model", tiny_model)
    assert (code, "is a URL" in err) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["a.wav", "b.wav"], ["a.wav", "--microphone"], ["a.wav", "--format", "srt"], ["a.wav", "--output-dir", "o"],
        ["a.wav", "--channels", "separate"], ["a.wav", "--rate", "0"],
        ["a.wav", "--output", "s.jsonl"], ["a.wav", "--jobs", "3"], ["a.wav", "--shard", "1/2"],
        ["a.wav", "--engine", "ray"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_does_not_go_with_a_stream_is_wrong_usage(run, arguments):
    assert run("transcribe", "--stream", *arguments)[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [["a.wav", "--rate", "8000"], ["--microphone"], ["a.wav", "--realtime"], ["a.wav", "--resume"], []],
    ids=" ".join,
)
def test_what_is_for_streams_alone_or_needs_a_folder_says_so(run, arguments):
    assert run("transcribe", *arguments)[0] == 2


def _pipe(monkeypatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_stream_of_a_file_a_wav_and_raw_samples_say_the_same(run, monkeypatch):
    samples = read_audio(SPEECH)
    code, out, _ = run("transcribe", "--stream", SPEECH, *QUICK)
    assert code == 0
    assert out == Recognizer.load(neural_lm="none", threads=1).transcribe(SPEECH).text + "\n"
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, "PCM_16", format="WAV")
    _pipe(monkeypatch, file.getvalue())
    assert run("transcribe", "--stream", "-", *QUICK)[1] == out
    _pipe(monkeypatch, (samples * 32768).astype("<i2").tobytes())
    code, lines, _ = run("transcribe", "--stream", "-", "--rate", "16000", "--format", "json", *QUICK)
    events = [json.loads(line) for line in lines.splitlines()]
    assert [event["text"] for event in events if event["type"] == "utterance"] == out.splitlines()
    assert {event["type"] for event in events[:-1]} == {"partial"}
    keys = {"word", "start", "end", "confidence"}
    for event in events:  # the final words are for reading, too
        wanted = keys if event["type"] == "partial" else keys | {"display"}
        assert all(set(word) == wanted for word in event["words"])
    assert events[-1]["start"] == 0.0
    assert events[-1]["end"] == pytest.approx(len(samples) / 16000, abs=1e-3)
    _pipe(monkeypatch, samples.tobytes())
    code, _, err = run("transcribe", "--stream", "-", *QUICK)
    assert code == 1
    assert "give --rate for" in err or "the --rate of raw" in err


def test_channels_apart_are_marked_in_json(run, tmp_path, tiny_model):
    left, right = speech_like(2.0, seed=1), speech_like(2.0, seed=2)
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], axis=1), 16000)
    code, out, _ = run(
        "transcribe",
        tmp_path / "two.wav",
        "--channels",
        "separate",
        "--model",
        tiny_model,
        "--format",
        "json",
        "--threads",
        "1",
    )
    assert code == 0
    assert {word.get("channel") for word in json.loads(out)["words"]} <= {1, 2}


class Interrupted:
    """A recognizer and its stream, in which a signal comes at the work on the second block."""

    def __init__(self) -> None:
        self.pushed = 0

    def stream(self, rate):
        return self

    def push(self, block):
        self.pushed += 1
        if self.pushed == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return [Utterance((Word(f"word{self.pushed}", 0.0, 1.0, 1.0),), 0.0, 1.0)]

    def finish(self):
        return [Utterance((Word("last", 1.0, 2.0, 1.0),), 1.0, 2.0)]


@pytest.fixture
def interruptible():
    """Ctrl-C means what it does on a terminal, also where the tests run as a background job of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_what_is_in_work_when_the_user_interrupts_a_stream_is_done_to_its_end(capsys):
    live._follow(Interrupted(), 16000, [np.zeros(10)] * 5, False)
    assert capsys.readouterr().out.split() == ["word1", "word2", "last"]

    def silent():
        yield np.zeros(10)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)  # nothing is said

    started = Interrupted()
    live._follow(started, 16000, silent(), False)
    assert capsys.readouterr().out.split() == ["word1", "last"]
    assert started.pushed == 1

    started.finish = lambda: os.kill(os.getpid(), signal.SIGINT) or []
    with pytest.raises(KeyboardInterrupt):  # a second time
        live._follow(started, 16000, silent(), False)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


class Killed(Exception):
    pass


def test_resume_goes_on_in_a_long_file_and_leaves_finished_ones_alone(run, tmp_path, tiny_model):
    def kill(done, total):
        if done > 70:
            raise Killed

    noise = 0.05 * np.random.default_rng(0).standard_normal(4 * 16000)
    spoken = [part for seed in range(18) for part in (speech_like(4.0, seed=seed) + noise, np.zeros(16000))]
    audio, folder = tmp_path / "long.flac", tmp_path / "out"
    soundfile.write(audio, np.concatenate(spoken), 16000)
    options = (audio, "--model", tiny_model, "--threads", "1", "--format", "json", "--output-dir", folder)
    assert run("transcribe", *options)[0] == 0
    output, journal = folder / "long.json", folder / ".long.partial.jsonl"
    whole = output.read_text()
    assert not journal.exists()

    made = output.stat().st_mtime_ns
    assert run("transcribe", *options, "--resume")[0] == 0
    assert output.stat().st_mtime_ns == made

    output.unlink()
    with pytest.raises(Killed):
        Recognizer.load(tiny_model, threads=1).transcribe(str(audio), journal=journal, progress=kill)
    lines = journal.read_text().splitlines()
    assert len(lines) > 2
    for resume in (["--resume"], []):
        output.unlink(missing_ok=True)
        journal.write_text("\n".join(lines) + "\n")
        assert run("transcribe", *options, *resume)[0] == 0
        assert output.read_text() == whole
        assert not journal.exists()


def test_the_time_left_is_that_of_this_run_not_of_the_one_it_goes_on_from(monkeypatch):
    screen, clock = io.StringIO(), iter([100.0, 100.0, 110.0, 120.0])
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    bar = console.Progress("talk")
    for done in (3000, 3060, 3120):
        bar(done, 3600)
    assert [line.split("% ")[1].split(" left")[0] for line in screen.getvalue().split("\r")[1:]] == [
        "0:00", "1:30", "1:20",
    ]  # fmt: skip
