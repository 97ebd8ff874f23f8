"""Where audio may come from, several threads at once, and what the host program keeps."""

from __future__ import annotations

import io
import json
import math
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from threadpoolctl import threadpool_info

from asr.audio.source import load_audio, open_audio
from asr.decode.build import SearchOptions
from asr.decode.hotwords import HOTWORD_BOOST
from asr.errors import AudioError, ConfigError, TextError
from asr.recognizer.aligner import Aligner
from asr.recognizer.recognizer import Recognizer
from asr.shipped import model_folder as shipped_model
from tests.conftest import speech_like

SPEECH = Path(__file__).parents[1] / "speech" / "hello.flac"


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load("digits", device="cpu")


def _words(transcript):
    return [(word.word, word.start, word.end, word.confidence) for word in transcript.words]


def test_a_path_bytes_an_open_file_and_samples_give_the_same_transcript(recognizer):
    samples, rate = soundfile.read(SPEECH, dtype="float32")
    expected = recognizer.transcribe(SPEECH)
    assert expected.file == str(SPEECH)
    with SPEECH.open("rb") as file:
        from_file = recognizer.transcribe(file)
    assert from_file == expected
    from_bytes = recognizer.transcribe(SPEECH.read_bytes())
    assert (from_bytes.file, _words(from_bytes)) == ("audio", _words(expected))
    named = recognizer.transcribe(io.BytesIO(SPEECH.read_bytes()), name="talk.flac")
    assert (named.file, _words(named)) == ("talk.flac", _words(expected))
    integers = np.round(samples * 32768).astype(np.int16)
    for given in (samples, samples.astype(np.float64), torch.from_numpy(samples), integers, samples[:, None]):
        assert _words(recognizer.transcribe(given, rate=rate)) == _words(expected)
    stereo = recognizer.transcribe(np.stack([samples, samples], axis=1), rate=rate)
    assert _words(stereo) == _words(expected)
    assert stereo.duration == pytest.approx(expected.duration)


def test_the_aligner_takes_the_same_sources():
    aligner = Aligner.load("digits", device="cpu")
    samples, rate = soundfile.read(SPEECH, dtype="float32")
    expected = aligner.align(SPEECH, "one two three")
    assert [word.word for word in expected.words] == ["one", "two", "three"]
    assert _words(aligner.align(SPEECH.read_bytes(), "one two three")) == _words(expected)
    seen: list[tuple[float, float]] = []
    found = aligner.align(samples, "one two three", rate=rate, name="a", progress=lambda *done: seen.append(done))
    assert (found.file, _words(found)) == ("a", _words(expected))
    assert seen[-1] == pytest.approx((5.525, 5.525), abs=0.01)


@pytest.mark.parametrize(("samples", "scale"), [(np.int16, 2**15), (np.int32, 2**31), (np.float64, 1), (np.float32, 1)])
def test_samples_of_any_type_are_scaled_alike(samples, scale):
    wave = 0.5 * np.sin(np.arange(1600) / 10)
    given = (wave * (scale - 1)).astype(samples) if scale > 1 else wave.astype(samples)
    np.testing.assert_allclose(load_audio(given, rate=16000), wave, atol=1e-4)


def test_unsigned_bytes_have_their_middle_at_128():
    wave = 0.5 * np.sin(np.arange(1600) / 10)
    np.testing.assert_allclose(load_audio((wave * 127 + 128).astype(np.uint8), rate=16000), wave, atol=0.02)


def test_samples_are_resampled_and_channels_averaged():
    time = np.arange(44100) / 44100
    tone = np.sin(2 * np.pi * 440 * time)
    mono = load_audio(np.stack([tone, np.zeros_like(tone)], axis=1), rate=44100)
    assert len(mono) == 16000
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(mono[400:-400], expected[400:-400], atol=0.01)


def test_wrong_sources_are_named():
    tone = speech_like(0.5)
    for source, options, error, message in (
        (tone, {}, ConfigError, "`rate`"),
        (tone, {"rate": 0}, ConfigError, "above 0"),
        (tone, {"rate": math.nan}, ConfigError, "above 0"),
        (tone, {"rate": math.inf}, ConfigError, "above 0"),
        (SPEECH, {"rate": 16000}, ConfigError, "`rate` is for samples"),
        (tone * 20000, {"rate": 16000}, AudioError, "beyond -1..1"),
        (np.full(10, np.nan), {"rate": 16000}, AudioError, "NaN"),
        ([int(value * 20000) for value in tone], {"rate": 16000}, AudioError, "64 bits"),
        (np.zeros((2, 16000)), {"rate": 16000}, AudioError, r"\(time, channels\)"),
        (np.zeros((1, 2, 3)), {"rate": 16000}, AudioError, r"\(time, channels\)"),
        (None, {}, AudioError, "neither a path"),
        (["a.wav"], {"rate": 16000}, AudioError, "neither a path"),
        (b"", {"name": "upload.wav"}, AudioError, r"^upload\.wav is empty"),
        (b"RIFF but no audio", {}, AudioError, "^audio is not audio"),
        (io.StringIO("text"), {}, AudioError, "binary mode"),
        ("", {}, AudioError, "^an empty path names no audio file"),
    ):
        with pytest.raises(error, match=message):
            Recognizer(_Silent(), _Silent()).transcribe(source, **options)


def test_files_that_are_open_for_something_else_are_named(tmp_path):
    copy = tmp_path / "copy.flac"
    with SPEECH.open(encoding="utf-8") as text, copy.open("wb") as writing:
        for file in (text, writing):
            with pytest.raises(AudioError, match=r"flac gives no bytes when read; open it in binary mode \('rb'\)"):
                load_audio(file)
    with pytest.raises(AudioError, match=r"copy\.flac is a file that has been closed; open it again"):
        load_audio(writing)


def test_errors_of_a_file_with_a_name_of_its_own_stay_sentences(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(b"no audio")
    message = r"^talk is not audio that can be read \(Format not recognised\); convert it to wav or flac\.$"
    with pytest.raises(AudioError, match=message), open_audio("a", name="talk"):
        pass


def test_a_model_by_a_relative_path_outlives_a_change_of_the_working_directory(tmp_path, monkeypatch):
    shutil.copytree(shipped_model("digits"), tmp_path / "model")
    (tmp_path / "lexicon.txt").write_text((tmp_path / "model" / "lexicon.txt").read_text())
    monkeypatch.chdir(tmp_path)
    recognizers = [Recognizer.load("model"), Recognizer.load("model", lexicon="lexicon.txt")]
    aligner = Aligner.load("model")
    monkeypatch.chdir("/")
    assert aligner.align(SPEECH, "one two").raw == "one two"
    for recognizer in recognizers:
        favouring = recognizer.with_hotwords(["two"])  # reads the lexicon
        assert favouring.transcribe(SPEECH, journal=tmp_path / "journal").duration == 5.525


@pytest.mark.parametrize("rate", [0, -1, 8000.5, math.nan, math.inf, None, "16000"])
def test_an_impossible_rate_to_read_at_is_named(rate):
    with pytest.raises(ConfigError, match="`sample_rate` must be a whole number of Hz above 0, not"):
        load_audio(speech_like(0.1), rate=16000, sample_rate=rate)


@pytest.mark.filterwarnings("error")
def test_samples_beyond_single_precision_bring_no_warning():
    with pytest.raises(AudioError, match="infinite"):
        load_audio(np.array([0.0, 1e300]), rate=16000)


def test_durations_are_plain_numbers_whatever_kind_of_number_the_rate_is():
    with open_audio(speech_like(0.5), rate=np.float32(16000)) as audio:  # type: ignore[arg-type]
        assert json.dumps(audio.duration) == "0.5"


class _Silent:
    sample_rate = 16000


def test_a_truncated_upload_is_refused_or_used_in_part(recognizer):
    content = SPEECH.read_bytes()[:30_000]
    with pytest.raises(AudioError, match=r"^talk\.flac ends early"):
        recognizer.transcribe(content, name="talk.flac")
    assert 0 < recognizer.transcribe(content, partial=True).duration < 5.5


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg writes the m4a file")
def test_the_bytes_of_an_m4a_file_are_recognised_by_their_content(tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "a.m4a"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", SPEECH, path], check=True)
    np.testing.assert_array_equal(load_audio(path.read_bytes()), load_audio(path))


def test_standard_input_is_transcribed(tmp_path, tiny_model):
    code = "from asr.cli.main import main; main()"
    for path in ("-", "/dev/stdin"):
        arguments = [sys.executable, "-c", code, "transcribe", path, "--model", tiny_model, "--format", "json"]
        with SPEECH.open("rb") as file:
            piped = subprocess.run(["cat"], stdin=file, capture_output=True, check=True).stdout
        result = subprocess.run(arguments, input=piped, capture_output=True, check=False)
        assert result.returncode == 0, result.stderr
        assert b'"duration": 5.525' in result.stdout
    arguments = [sys.executable, "-c", code, "transcribe", "-", "--model", tiny_model, "--output-dir", tmp_path]
    subprocess.run(arguments, input=piped, capture_output=True, check=True)
    assert (tmp_path / "stdin.txt").exists()


def test_several_threads_may_share_a_recognizer(recognizer):
    clips = [speech_like(1.0 + 0.3 * seed, seed=seed) for seed in range(6)]
    expected = [recognizer.transcribe(clip, rate=16000) for clip in clips]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            assert list(pool.map(lambda clip: recognizer.transcribe(clip, rate=16000), clips)) == expected


def _threads() -> list:
    return [torch.get_num_threads(), *(entry["num_threads"] for entry in threadpool_info())]


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_the_thread_counts_of_the_host_stay_as_they_are(backend):
    torch.set_num_threads(2)
    before = _threads()
    assert max(before) > 1, "this machine shows nothing"
    recognizer = Recognizer.load(backend=backend, threads=1)  # with a neural language model
    assert _threads() == before
    recognizer.transcribe(SPEECH)
    assert _threads() == before
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: recognizer.transcribe(SPEECH), range(3)))
        assert set(pool.map(lambda _: torch.get_num_threads(), range(3))) == {2}
    assert _threads() == before


def test_hotwords_are_changed_without_loading_anew(recognizer):
    other = recognizer.with_hotwords(["seven"])
    assert other.backend is recognizer.backend
    assert other.decoder.words is recognizer.decoder.words
    assert recognizer.with_hotwords({"Rex": 2.0}).decoder.words == [*recognizer.decoder.words, "rex"]
    with pytest.raises(TextError, match="r2d2"):
        recognizer.with_hotwords({"r2d2": 2.0})


def test_python_and_the_command_line_load_the_same_recognizer():
    chosen = {"lm": "none", "hotwords": ["seven"], "settings": {"beam_size": 7}}
    from_keywords = Recognizer.load("digits", device="cpu", **chosen)
    options = SearchOptions(lm="none", hotwords={"seven": HOTWORD_BOOST}, settings={"beam_size": 7})
    from_options = Recognizer.from_options("digits", options, device="cpu")
    assert from_keywords.transcribe(SPEECH) == from_options.transcribe(SPEECH)
