from __future__ import annotations

import numpy as np
import pytest

from asr.audio.augment import (
    AugmentConfig,
    augment_samples,
    change_speed,
    low_pass,
    spec_augment_mask,
    through_codec,
)
from tests.conftest import speech_like


def _tone(frequency: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(16000) / 16000)).astype(np.float32)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_speed_changes_length_and_pitch_together(factor):
    faster = change_speed(_tone(1000), factor)
    assert len(faster) == pytest.approx(16000 / factor, abs=2)
    spectrum = np.abs(np.fft.rfft(faster * np.hanning(len(faster)), 160_000))
    assert spectrum.argmax() / 10 == pytest.approx(1000 * factor, abs=1)


def test_low_pass_removes_what_lies_above_and_keeps_what_lies_below():
    assert np.abs(low_pass(_tone(6000), 16000, 4000.0)[1000:-1000]).max() < 1e-2
    assert np.abs(low_pass(_tone(1000), 16000, 4000.0) - _tone(1000))[1000:-1000].max() < 1e-2


@pytest.mark.parametrize("codec", ["MP3", "OGG"])
def test_a_codec_keeps_length_and_sound(codec):
    samples = speech_like(1.0)
    coded = through_codec(samples, 16000, codec)
    assert len(coded) == len(samples)
    assert not np.array_equal(coded, samples)
    spectra = [np.abs(np.fft.rfft(x, 16000))[100:3000] for x in (samples, coded)]
    assert np.corrcoef(*spectra)[0, 1] > 0.9


def test_the_same_seed_gives_the_same_augmentation():
    config = AugmentConfig(low_pass_probability=0.5, codec_probability=0.5)
    results = [
        augment_samples(speech_like(0.5), 16000, config, np.random.default_rng([1, 2, seed])) for seed in (7, 7, 8, 9)
    ]
    assert np.array_equal(results[0], results[1])
    assert not all(np.array_equal(results[0], other) for other in results[2:])


def test_spec_augment_hides_bands_within_their_limits():
    config = AugmentConfig(freq_masks=1, freq_mask_bins=10, time_masks_per_second=1.0, time_mask_frames=20)
    hidden = [spec_augment_mask(300, 80, config, np.random.default_rng(seed)) for seed in range(50)]
    for mask in hidden:
        bands = mask.all(axis=0).sum()
        assert bands <= 10
        assert mask.all(axis=1).sum() <= 3 * 20
    assert 0.02 < np.mean([mask.mean() for mask in hidden]) < 0.25
