"""Augmentation of training audio. Every function takes the random generator it draws from: same seed, same result.

SciPy is imported where it is used: recognition, which reads this module for its settings alone, starts a second sooner.
"""

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
    # How far a codec compresses, drawn evenly between, from 0 to below 1 (of speech at 16 kHz, 0.4 to 0.95 are MP3 of
    # 42 to 21 kbit/s and Vorbis of 50 to 28); empty: as libsndfile does by itself (44 and 42 kbit/s).
    codec_compression: tuple[float, ...] = ()
    reverb_probability: float = 0.0
    reverb_seconds: tuple[float, ...] = (0.1, 0.5)  # T60, drawn evenly between
    noise_probability: float = 0.0
    noise_snr_db: tuple[float, ...] = (10.0, 30.0)  # drawn evenly between
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


def through_codec(samples: Samples, sample_rate: int, codec: str = "MP3", compression: float | None = None) -> Samples:
    """Encode and decode through a lossy codec of libsndfile (MP3, or OGG for Vorbis); the length is kept.

    compression: from 0 to below 1, libsndfile's own if None.
    """
    if not len(samples):
        return samples
    subtype = {"MP3": "MPEG_LAYER_III", "OGG": "VORBIS"}[codec]
    buffer = io.BytesIO()
    clipped = np.clip(samples, -1.0, 1.0)
    soundfile.write(buffer, clipped, sample_rate, format=codec, subtype=subtype, compression_level=compression)
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    return (
        decoded[: len(samples)] if len(decoded) >= len(samples) else np.pad(decoded, (0, len(samples) - len(decoded)))
    )


def reverberate(samples: Samples, sample_rate: int, seconds: float, random: np.random.Generator) -> Samples:
    """As in a made-up room: after the direct sound, noise that falls by 60 dB within `seconds` (Moorer 1979).

    The tail has a tenth to all of the direct sound's energy and begins after 2 to 20 ms. Length and power are kept.
    """
    from scipy.signal import fftconvolve

    if not np.any(samples):
        return samples
    delay = int(sample_rate * random.uniform(0.002, 0.02))
    times = np.arange(max(1, int(sample_rate * seconds))) / sample_rate
    tail = random.standard_normal(len(times)) * 10.0 ** (-3.0 * times / seconds)
    tail *= np.sqrt(random.uniform(0.1, 1.0) / np.square(tail).sum())
    response = np.concatenate([[1.0], np.zeros(delay), tail])
    heard = fftconvolve(samples, response)[: len(samples)]
    return (heard * np.sqrt(np.square(samples).mean() / np.square(heard).mean())).astype(np.float32)


def add_noise(samples: Samples, snr_db: float, colour: float, random: np.random.Generator) -> Samples:
    """Add Gaussian noise whose power falls as 1 / frequency ** colour (0 white, 1 pink, 2 brown)."""
    from scipy import fft

    power = np.square(samples, dtype=np.float64).mean() if len(samples) else 0.0
    if not power:
        return samples
    size = fft.next_fast_len(len(samples), real=True)  # large prime factors take ten times as long
    spectrum = fft.rfft(random.standard_normal(size, dtype=np.float32))
    spectrum[1:] *= np.arange(1, len(spectrum), dtype=np.float32) ** np.float32(-colour / 2)
    spectrum[0] = 0.0
    noise = fft.irfft(spectrum, size)[: len(samples)]
    scale = np.sqrt(power / max(np.square(noise).mean(), 1e-30)) * 10.0 ** (-snr_db / 20)
    return (samples + scale * noise).astype(np.float32)


def augment_samples(samples: Samples, sample_rate: int, config: AugmentConfig, random: np.random.Generator) -> Samples:
    """Speed, room, noise, low-pass, codec, in this order, each as `config` draws it."""
    if config.speeds:
        samples = change_speed(samples, config.speeds[random.integers(len(config.speeds))])
    # No number is drawn for what is switched off, so that older configurations give what they gave.
    if config.reverb_probability and random.random() < config.reverb_probability:
        samples = reverberate(
            samples, sample_rate, random.uniform(config.reverb_seconds[0], config.reverb_seconds[-1]), random
        )
    if config.noise_probability and random.random() < config.noise_probability:
        snr = random.uniform(config.noise_snr_db[0], config.noise_snr_db[-1])
        samples = add_noise(samples, snr, random.uniform(0.0, 2.0), random)
    if random.random() < config.low_pass_probability:
        samples = low_pass(samples, sample_rate, random.uniform(config.low_pass_hz[0], config.low_pass_hz[-1]))
    if random.random() < config.codec_probability:
        codec, levels = ("MP3", "OGG")[random.integers(2)], config.codec_compression
        level = random.uniform(levels[0], levels[-1]) if levels else None
        samples = through_codec(samples, sample_rate, codec, level)
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
