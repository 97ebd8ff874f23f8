"""Augmentation of training audio. Every function takes the random generator it draws from: same seed, same result."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from asr.audio.read import Samples, resample


@dataclass(frozen=True)
class AugmentConfig:
    """How training utterances are varied; probabilities in 0..1."""

    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)  # Ko et al. 2015; drawn evenly
    low_pass_probability: float = 0.0
    low_pass_hz: tuple[float, ...] = (3400.0, 7000.0)  # drawn evenly between
    codec_probability: float = 0.0
    freq_masks: int = 2  # SpecAugment
    freq_mask_bins: int = 12
    time_masks_per_second: float = 0.15
    time_mask_frames: int = 30
    time_mask_share: float = 0.15  # of an utterance's frames, at most, in one mask


def change_speed(samples: Samples, factor: float) -> Samples:
    """Play `factor` times as fast, pitch and tempo together (sox's `speed`; Ko et al. 2015), by resampling."""
    if factor == 1.0 or not len(samples):
        return samples
    return np.asarray(soxr.resample(samples, factor, 1.0, quality="MQ"), dtype=np.float32)


def low_pass(samples: Samples, sample_rate: int, cutoff: float) -> Samples:
    """Remove what lies above `cutoff` Hz, by resampling down to twice that and back: steep, as codecs do."""
    narrow = resample(samples, sample_rate, max(1, round(2 * cutoff)))
    wide = resample(narrow, max(1, round(2 * cutoff)), sample_rate)
    return np.resize(wide, len(samples)) if len(wide) >= len(samples) else np.pad(wide, (0, len(samples) - len(wide)))


def through_codec(samples: Samples, sample_rate: int, codec: str = "MP3") -> Samples:
    """Encode and decode through a lossy codec of libsndfile (MP3, or OGG for Vorbis); the length is kept."""
    if not len(samples):
        return samples
    subtype = {"MP3": "MPEG_LAYER_III", "OGG": "VORBIS"}[codec]
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(samples, -1.0, 1.0), sample_rate, format=codec, subtype=subtype)
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    return (
        decoded[: len(samples)] if len(decoded) >= len(samples) else np.pad(decoded, (0, len(samples) - len(decoded)))
    )


def augment_samples(samples: Samples, sample_rate: int, config: AugmentConfig, random: np.random.Generator) -> Samples:
    """Speed, then low-pass, then codec, each as `config` draws it."""
    if config.speeds:
        samples = change_speed(samples, config.speeds[random.integers(len(config.speeds))])
    if random.random() < config.low_pass_probability:
        samples = low_pass(samples, sample_rate, random.uniform(config.low_pass_hz[0], config.low_pass_hz[-1]))
    if random.random() < config.codec_probability:
        samples = through_codec(samples, sample_rate, ("MP3", "OGG")[random.integers(2)])
    return samples


def spec_augment_mask(
    frames: int, bins: int, config: AugmentConfig, random: np.random.Generator, frames_per_second: float = 100.0
) -> NDArray[np.bool_]:
    """What SpecAugment (Park et al. 2019, without time warping) hides: true at masked places of (frames, bins)."""
    mask = np.zeros((frames, bins), dtype=bool)
    for _ in range(config.freq_masks):
        width = int(random.integers(config.freq_mask_bins + 1))
        start = int(random.integers(max(1, bins - width + 1)))
        mask[:, start : start + width] = True
    longest = min(config.time_mask_frames, int(frames * config.time_mask_share))
    for _ in range(round(frames / frames_per_second * config.time_masks_per_second)):
        width = int(random.integers(longest + 1))
        start = int(random.integers(max(1, frames - width + 1)))
        mask[start : start + width] = True
    return mask
