from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import asr
from asr.decode.hypothesis import Hypothesis, Word
from asr.recognizer.recognizer import Recognizer
from asr.shipped import model_folder, names
from tests.conftest import speech_like

SPEECH = Path(__file__).parents[1] / "speech"


class FixedBackend:
    """Stands in for a network: one frame every 40 ms, nothing in it."""

    seconds_per_frame, sample_rate = 0.04, 16000

    def __init__(self) -> None:
        self.longest = 0

    def log_probs(self, pieces):
        self.longest = max([self.longest, *(len(piece) for piece in pieces)])
        return [np.zeros((len(piece) // 640, 2), np.float32) for piece in pieces]


class OneWordDecoder:
    """Hears one word, in the frames 10 to 20, in everything."""

    def decode(self, log_probs):
        return [Hypothesis((Word("word", 10, 20, 0.9),), 0.0, 0.0, 0.0, 0.0)]


def test_word_times_count_from_the_start_of_a_long_file(tmp_path):
    samples = np.concatenate([np.concatenate([speech_like(14.0, seed=s) + 0.01, np.zeros(16000)]) for s in range(8)])
    soundfile.write(tmp_path / "long.flac", samples, 16000)
    backend = FixedBackend()
    seen = []
    transcript = Recognizer(backend, OneWordDecoder()).transcribe(tmp_path / "long.flac", progress=seen.append)
    assert transcript.duration == pytest.approx(120.0)
    assert backend.longest <= 30 * 16000
    starts = [word.start for word in transcript.words]
    assert starts[0] == pytest.approx(0.4)
    assert starts == sorted(starts)
    assert all(14.0 <= (start - 0.4) % 15 <= 15.0 for start in starts[1:])
    assert seen[-1] == pytest.approx(120.0)


def test_silence_and_single_samples_give_empty_text(tmp_path, tiny_model):
    recognizer = Recognizer.load(tiny_model, device="cpu")
    for name, samples in (("silence", np.zeros(32000)), ("one", np.full(1, 0.5)), ("none", np.zeros(0))):
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000)
        transcript = recognizer.transcribe(tmp_path / f"{name}.wav")
        assert transcript.text == ""
        assert transcript.words == ()


def test_the_shipped_model_hears_words_in_synthetic_speech():
    """The synthesiser's voice is far from the training data: some words are enough."""
    transcript = Recognizer.load(device="cpu").transcribe(SPEECH / "hello.flac")
    said = {"the", "old", "man", "along", "river", "said", "that", "he", "had", "never", "seen", "such", "morning"}
    heard = [word.word for word in transcript.words]
    assert len(set(heard) & said) >= 5, heard
    assert transcript.duration == pytest.approx(5.525, abs=0.01)
    assert all(0 <= word.start < word.end <= 5.6 and 0 <= word.confidence <= 1 for word in transcript.words)
    assert [word.start for word in transcript.words] == sorted(word.start for word in transcript.words)


def test_importing_the_package_loads_no_torch():
    code = (
        "import sys, asr, asr.audio.read, asr.audio.segment, asr.text.normalize, asr.text.lexicon, asr.score.report, "
        "asr.decode.beam, asr.recognizer.recognizer, asr.recognizer.decoding, asr.cli.main, asr.cli.speech.score; "
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_recognition_loads_no_scipy_signal():
    """Which takes a second, and only training needs it."""
    code = (
        "import sys, asr.backends.torch_backend, asr.cli.speech.decode, asr.cli.speech.transcribe; "
        "assert not {'scipy.signal', 'scipy.stats', 'librosa'} & set(sys.modules), 'a slow package was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_public():
    assert asr.__all__ == ["Recognizer", "Transcript"]
    assert asr.Recognizer is Recognizer
    with pytest.raises(AttributeError, match="Nothing"):
        asr.Nothing  # noqa: B018


def test_the_shipped_models_are_whole_and_within_their_sizes():
    limits = {"model.safetensors": 14e6, "lexicon.txt": 2e6, "lexicon.txt.gz": 2e6}
    assert names() == ["an4", "digits", "english"]
    for name in names():
        folder = model_folder(name)
        Recognizer.load(name, lm="none", device="cpu")
        assert (folder / "README.md").read_text().startswith("# ")
        for file in (path for path in folder.rglob("*") if path.is_file()):
            limit = limits.get(file.name, 10e6)
            assert file.name.startswith(".") or file.stat().st_size <= limit, file
    small = sum(f.stat().st_size for n in ("an4", "digits") for f in model_folder(n).iterdir() if f.name[0] != ".")
    assert small <= 4e6
