"""What many tests need: real data where there is some, synthetic audio, a tiny model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch

from asr.acoustic.checkpoint import save_checkpoint
from asr.acoustic.config import AcousticConfig
from asr.acoustic.network import AcousticModel
from asr.audio.feature_config import FeatureConfig
from asr.cli.main import main
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

torch.set_num_threads(2)

DATA = Path(os.environ.get("ASR_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real speech and text."""
    if not (DATA / "LibriSpeech").is_dir():
        pytest.skip("needs the speech corpora: set ASR_DATA to the folder that holds LibriSpeech/, an4/, text/")
    return DATA


@pytest.fixture(scope="session")
def kenlm() -> ModuleType:
    """KenLM's Python package, an oracle of n-gram scores."""
    module: ModuleType = pytest.importorskip("kenlm", reason="kenlm 0.3 does not build on Python 3.13 and later")
    return module


def speech_like(seconds: float, rate: int = 16000, seed: int = 0) -> np.ndarray:
    """Noise bursts and tones that come and go like syllables, within [-0.5, 0.5]."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    envelope = np.clip(np.sin(2 * np.pi * 2.3 * time), 0, None)
    tone = sum(
        np.sin(2 * np.pi * f * time + p) for f, p in zip((170, 510, 1250, 2600), random.uniform(0, 6, 4), strict=True)
    )
    return (0.1 * envelope * (tone + 0.3 * random.standard_normal(len(time)))).astype(np.float32)


def noise_burst(band: slice, seed: int) -> np.ndarray:
    """A toy word of 0.8 s at 16 kHz: 0.3 s of noise in a band, given in 1.25 Hz, amid faint noise."""
    random = np.random.default_rng(seed)
    spectrum = np.zeros(6401, complex)
    spectrum[band] = np.exp(2j * np.pi * random.uniform(size=len(spectrum[band])))
    time = np.arange(12800) / 16000
    burst = np.fft.irfft(spectrum) * ((time > 0.25) & (time < 0.55))
    return 0.3 * burst / np.abs(burst).max() + 0.01 * random.standard_normal(len(time))


@pytest.fixture
def make_wav(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes an audio file of speech-like sound: (name, seconds, rate, channels, subtype)."""

    def make(
        name: str = "a.wav", seconds: float = 1.0, rate: int = 16000, channels: int = 1, subtype: str | None = None
    ) -> Path:
        samples = speech_like(seconds, rate)
        if channels > 1:
            samples = np.stack([samples] * channels, axis=1)
        soundfile.write(tmp_path / name, samples, rate, subtype=subtype)
        return tmp_path / name

    return make


class TinyModel(NamedTuple):
    """What `save_checkpoint` writes."""

    model: AcousticModel
    tokens: Tokens
    lexicon: Lexicon


def tiny_checkpoint(characters: str = "'abcdefghijklmnopqrstuvwxyz", **sizes: int) -> TinyModel:
    """A small untrained character model with a lexicon of a few words."""
    torch.manual_seed(0)
    tokens = Tokens.characters(characters)
    config = AcousticConfig(
        hidden_size=8, num_layers=1, input_size=8, conv_channels=2, **sizes, features=FeatureConfig(num_mel_bins=20)
    )
    words = [word for word in ("a", "cab", "bad", "dab") if set(word) <= set(characters)]
    return TinyModel(AcousticModel(config, len(tokens)).eval(), tokens, Lexicon.of_characters(words, tokens))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny untrained model."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_checkpoint(folder, *tiny_checkpoint())
    return folder


@pytest.fixture
def run(capsys):
    """Call `asr …` in this process: (exit code, stdout, stderr)."""

    def call(*arguments) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        return int(caught.value.code or 0), output.out, output.err

    return call
