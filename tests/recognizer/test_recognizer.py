from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.decode.arguments import checked_hotwords, checked_settings
from asr.decode.hotwords import Hotword
from asr.decode.hypothesis import Hypothesis, Word
from asr.errors import AudioError, ConfigError
from asr.recognizer.recognizer import Recognizer
from asr.shipped import available_models, model_folder
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
    """Recognises one word, in the frames 10 to 20, in every passage."""

    def start(self):
        return self

    def feed(self, log_probs):
        pass

    def finish(self):
        return [Hypothesis((Word("word", 10, 20, 0.9),), 0.0, 0.0, 0.0, 0.0)]


def test_word_times_count_from_the_start_of_a_long_file(tmp_path):
    samples = np.concatenate([np.concatenate([speech_like(14.0, seed=s) + 0.01, np.zeros(16000)]) for s in range(8)])
    soundfile.write(tmp_path / "long.flac", samples, 16000)
    backend = FixedBackend()
    seen: list[tuple[float, float]] = []
    recognizer = Recognizer(backend, OneWordDecoder())
    transcript = recognizer.transcribe(tmp_path / "long.flac", progress=lambda *done: seen.append(done))
    assert transcript.duration == pytest.approx(120.0)
    assert backend.longest <= 18 * 16000  # a segment and context on either side
    starts = [word.start for word in transcript.words]
    assert starts[0] == pytest.approx(0.4)
    assert starts == sorted(starts)
    assert all(14.0 <= (start - 0.4) % 15 <= 15.0 for start in starts[1:])
    assert seen[-1] == pytest.approx((120.0, 120.0))
    assert all(total == pytest.approx(120.0) for _, total in seen)


@pytest.mark.parametrize("threads", [-1, 1.5, "2"])
def test_threads_are_a_whole_number(threads):
    with pytest.raises(ConfigError, match="`threads` must be 0"):
        Recognizer.load("digits", threads=threads)


def test_how_numbers_are_written_is_checked_before_any_audio_is_read():
    with pytest.raises(ConfigError, match="`numbers` must be digits or words, not 'x'"):
        Recognizer(FixedBackend(), OneWordDecoder(), numbers="x")


@pytest.mark.parametrize("hotwords", [[5], {5: 1.0}, {"a": "x"}, {"a": np.nan}, {Hotword("a"): 1}, 5, "text"], ids=repr)
def test_hotwords_that_are_none_are_refused(hotwords):
    with pytest.raises(ConfigError, match="hotword"):
        Recognizer.load("digits", hotwords=hotwords)


def test_hotwords_and_settings_of_all_kinds_are_taken():
    assert checked_hotwords(phrase for phrase in ("a b", Hotword("c"))) == (Hotword("a b"), Hotword("c"))
    assert checked_hotwords({"a": np.float32(2), "b": 1}) == (Hotword("a", 2.0), Hotword("b", 1))
    assert checked_hotwords(None) == ()
    assert checked_settings({"lm_weight": np.float64(1), "beam_size": None}) == {"lm_weight": 1.0, "beam_size": None}
    with pytest.raises(ConfigError, match="the setting 'lm_weight' must be a number, not 'a'"):
        Recognizer.load("digits", settings={"lm_weight": "a"})


def test_tensors_that_numpy_cannot_take_are_refused_and_others_are_transcribed():
    torch = pytest.importorskip("torch", reason="needs the extra train")
    recognizer = Recognizer(FixedBackend(), OneWordDecoder())
    samples = torch.from_numpy(speech_like(1.0))
    assert recognizer.transcribe(samples, rate=16000).text == "word"
    for tensor in (samples.bfloat16(), samples.clone().requires_grad_()):
        with pytest.raises(AudioError, match="give a NumPy array, of a tensor"):
            recognizer.transcribe(tensor, rate=16000)


def test_silence_and_single_samples_give_empty_text(tmp_path, tiny_model):
    recognizer = Recognizer.load(tiny_model, device="cpu")
    for name, samples in (("silence", np.zeros(32000)), ("one", np.full(1, 0.5)), ("none", np.zeros(0))):
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000)
        transcript = recognizer.transcribe(tmp_path / f"{name}.wav")
        assert transcript.text == ""
        assert transcript.words == ()


def test_the_shipped_model_transcribes_synthetic_speech_as_it_always_has():
    """The synthesiser's voice is far from the training data: the text has errors, and must not change unawares."""
    transcript = Recognizer.load(device="cpu").transcribe(SPEECH / "hello.flac")
    golden = json.loads((SPEECH / "hello.json").read_text())
    assert (transcript.text, transcript.raw) == (golden["text"], golden["raw"])
    assert transcript.duration == pytest.approx(golden["duration"])
    for word, expected in zip(transcript.words, golden["words"], strict=True):
        assert word.word == expected["word"]
        assert (word.start, word.end) == pytest.approx((expected["start"], expected["end"]), abs=0.031)  # a frame
        assert word.confidence == pytest.approx(expected["confidence"], abs=0.02)


def test_importing_the_package_loads_no_torch():
    code = (
        "import sys, asr, asr.audio.read, asr.audio.segment, asr.text.normalize, asr.text.lexicon, asr.score.report, "
        "asr.decode.beam, asr.recognizer.recognizer, asr.decode.build, asr.cli.main, asr.cli.speech.score; "
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


def test_the_shipped_models_are_whole_and_within_their_sizes():
    limits = {"model.safetensors": 14e6, "lexicon.txt": 2e6, "lexicon.txt.gz": 2e6}
    assert available_models() == ["an4", "digits", "english"]
    for name in available_models():
        folder = model_folder(name)
        Recognizer.load(name, lm="none", device="cpu")
        assert "\n# " in (folder / "README.md").read_text()  # after the front matter
        for file in (path for path in folder.rglob("*") if path.is_file()):
            limit = limits.get(file.name, 10e6)
            assert file.name.startswith(".") or file.stat().st_size <= limit, file
    small = sum(f.stat().st_size for n in ("an4", "digits") for f in model_folder(n).iterdir() if f.name[0] != ".")
    assert small <= 4e6
