from __future__ import annotations

import numpy as np
import pytest

from asr.audio.augment import (
    AugmentConfig,
    add_noise,
    augment_samples,
    change_speed,
    low_pass,
    reverberate,
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


@pytest.mark.parametrize("codec", ["MP3", "OGG"])
def test_a_codec_that_compresses_more_loses_more(codec):
    samples = speech_like(2.0)
    lost = [np.square(through_codec(samples, 16000, codec, level) - samples).mean() for level in (0.0, 0.5, 0.95)]
    assert lost[0] < lost[1] < lost[2]
    config = AugmentConfig(speeds=(), codec_probability=1.0, codec_compression=(0.95, 0.95))
    drawn = augment_samples(samples, 16000, config, np.random.default_rng(1))
    assert any(np.array_equal(drawn, through_codec(samples, 16000, other, 0.95)) for other in ("MP3", "OGG"))


@pytest.mark.parametrize("colour", [0.0, 1.0, 2.0])
def test_noise_has_the_wanted_level_and_slope(colour):
    samples = _tone(1000)
    noise = add_noise(samples, 12.0, colour, np.random.default_rng(1)).astype(float) - samples
    assert 10 * np.log10(np.square(samples).mean() / np.square(noise).mean()) == pytest.approx(12.0, abs=0.01)
    power = np.square(np.abs(np.fft.rfft(noise)))
    octaves = [power[low : 2 * low].mean() for low in (250, 500, 1000, 2000)]
    assert np.diff(np.log2(octaves)) == pytest.approx([-colour] * 3, abs=0.35)


def test_a_room_leaves_a_tail_that_falls_by_60_db():
    click = np.zeros(16000, np.float32)
    click[100] = 0.5
    heard = reverberate(click, 16000, 0.4, np.random.default_rng(3)).astype(float)
    assert np.abs(heard).argmax() == 100
    assert np.square(heard).sum() == pytest.approx(0.25, rel=1e-4)
    assert not np.abs(heard[101:132]).max() > 1e-6  # at least 2 ms of nothing
    tail = heard[500:]
    early, late = (np.square(tail[start : start + 1600]).sum() for start in (0, 3200))
    assert 10 * np.log10(early / late) == pytest.approx(30.0, abs=1.5)  # 0.2 s of 0.4


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(800, np.float32)])
def test_rooms_and_noise_leave_silence_alone(samples):
    assert np.array_equal(add_noise(samples, 10.0, 1.0, np.random.default_rng(0)), samples)
    assert np.array_equal(reverberate(samples, 16000, 0.3, np.random.default_rng(0)), samples)
    one = np.full(1, 0.5, np.float32)
    assert len(add_noise(one, 10.0, 1.0, np.random.default_rng(0))) == 1


def test_what_is_switched_off_draws_no_numbers():
    states = []
    for config in (AugmentConfig(), AugmentConfig(noise_snr_db=(0.0, 1.0), reverb_seconds=(1.0, 2.0))):
        random = np.random.default_rng(4)
        augment_samples(speech_like(0.2), 16000, config, random)
        states.append(random.bit_generator.state["state"])
    assert states[0] == states[1]
    noisy = AugmentConfig(speeds=(), noise_probability=1.0, reverb_probability=1.0)
    assert not np.array_equal(
        augment_samples(speech_like(0.2), 16000, noisy, np.random.default_rng(4)), speech_like(0.2)
    )


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
