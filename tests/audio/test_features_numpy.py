"""Features in NumPy against those in torch, and their streaming form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asr.audio.feature_config import FeatureConfig
from asr.audio.features import Features
from asr.audio.features_numpy import FeatureStream, NumpyFeatures, normalize
from asr.audio.read import read_audio
from asr.errors import ConfigError
from tests.conftest import speech_like

LIBROSA = {"convention": "librosa", "num_mel_bins": 40, "low_freq": 0.0}
CONFIGS = [
    {"normalize": "none"},
    {},
    {"kind": "mfcc", "num_mel_bins": 23, "deltas": 2},
    {"normalize": "level", "sample_rate": 8000, "high_freq": 3800.0, "num_mel_bins": 40},
    {"normalize": "running", "deltas": 1, "frame_shift_ms": 7.5, "high_freq": -200.0},
    {"normalize": "speech"},
    LIBROSA,
    LIBROSA | {"kind": "mfcc", "num_ceps": 20, "normalize": "none"},
]


def _torch_features(samples: np.ndarray, config: FeatureConfig) -> np.ndarray:
    return Features(config)(torch.from_numpy(samples)[None])[0][0].numpy()


@pytest.mark.parametrize("settings", CONFIGS)
def test_numpy_equals_torch(settings):
    config = FeatureConfig(**settings)
    noise = np.random.default_rng(0).standard_normal(16000 * 8).astype(np.float32)
    for samples in (speech_like(8.0) + 1e-3 * noise, speech_like(0.31, seed=3), speech_like(0.026)):
        found, expected = NumpyFeatures(config)(samples), _torch_features(samples, config)
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        difference = np.abs(found - expected)
        assert difference.max() <= 5e-3  # the gate's tolerance for features
        assert (difference <= 1e-3).mean() >= 0.999


def test_numpy_equals_torch_on_real_speech(data):
    config = FeatureConfig(frame_shift_ms=7.5, high_freq=7000.0)
    for path in sorted((data / "LibriSpeech/dev-clean-part").rglob("*.mp3"))[::100]:
        samples = read_audio(path)
        difference = np.abs(NumpyFeatures(config)(samples) - _torch_features(samples, config))
        # Quiet bins of coded speech differ most: there either is as far from double precision as from the other.
        assert difference.max() <= 1e-2
        assert (difference <= 1e-3).mean() >= 0.998


@pytest.mark.parametrize("settings", [{}, LIBROSA, {"deltas": 2}])
def test_too_short_for_a_frame_gives_no_frame(settings):
    config = FeatureConfig(**settings)
    for length in (0, 1, 399):
        samples = np.zeros(length, np.float32)
        assert NumpyFeatures(config)(samples).shape == _torch_features(samples, config).shape


@pytest.mark.parametrize("sizes", [(160,), (1, 399, 7, 4000), (16000,), (333,)])
@pytest.mark.parametrize("deltas", [0, 1, 2])
def test_streamed_frames_equal_the_offline_frames_exactly(sizes, deltas):
    features = NumpyFeatures(FeatureConfig(deltas=deltas, normalize="none"))
    samples = speech_like(1.0)
    stream, found, place, turn = FeatureStream(features), [], 0, 0
    while place < len(samples):
        size = sizes[turn % len(sizes)]
        found.append(stream.push(samples[place : place + size]))
        place, turn = place + size, turn + 1
    found.append(stream.finish())
    assert np.array_equal(np.concatenate(found), features(samples))


def test_running_normalisation_equals_its_definition():
    values = (np.random.default_rng(1).standard_normal((700, 3)) * 4 + 7).astype(np.float32)
    found = normalize(values, FeatureConfig(normalize="running"))
    for frame in (0, 5, 599, 600, 699):
        window = values[max(0, frame - 599) : frame + 1].astype(np.float64)
        expected = (values[frame] - window.mean(0)) / np.sqrt(np.maximum(window.var(0), 1e-5))
        assert np.allclose(found[frame], expected, atol=1e-4)


def test_what_cannot_be_is_named():
    with pytest.raises(ConfigError, match="high_freq"):
        NumpyFeatures(FeatureConfig(high_freq=9000.0))
    with pytest.raises(ConfigError, match="kaldi"):
        FeatureStream(NumpyFeatures(FeatureConfig(**LIBROSA)))
