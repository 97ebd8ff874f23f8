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

from asr.audio.noise import mix, recorded_noise
from asr.audio.read import Samples, resample
from asr.audio.rooms import draw_room, in_room
from asr.audio.telephone import OPUS_KBITS, TELEPHONE_CODECS, fitted, through_opus, through_telephone
from asr.audio.warp import warp_spectrum
from asr.config import LARGEST, check_ranges
from asr.errors import ConfigError

RANGES = (
    ("speeds", 0.1, 10), ("warp_factors", 0.1, 10), ("low_pass_hz", 50, LARGEST), ("codec_compression", 0, 0.999),
    ("reverb_seconds", 0.001, 60), ("room_seconds", 0.001, 60), ("noise_snr_db", -200, 200),
    ("recorded_snr_db", -200, 200), ("messenger_kbits", *OPUS_KBITS), ("gain_db", -200, 200),
    ("freq_masks", 0, LARGEST), ("freq_mask_bins", 0, LARGEST), ("time_masks_per_second", 0, 1000),
    ("time_mask_frames", 0, LARGEST), ("time_mask_share", 0, 1),
)  # fmt: skip
MAY_BE_EMPTY = ("speeds", "codec_compression", "noise_kinds")


@dataclass(frozen=True)
class AugmentConfig:
    """How training utterances are varied; probabilities in 0..1. Ranges of two values are drawn from evenly."""

    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)  # Ko et al. 2015; drawn evenly
    warp_probability: float = 0.0  # other vocal tracts
    warp_factors: tuple[float, ...] = (0.88, 1.14)  # by which the spectrum is stretched
    low_pass_probability: float = 0.0  # of audio without its high frequencies
    low_pass_hz: tuple[float, ...] = (3400.0, 7000.0)  # where they end
    codec_probability: float = 0.0  # of MP3 or Vorbis
    # How far a codec compresses, drawn evenly between, from 0 to below 1 (of speech at 16 kHz, 0.4 to 0.95 are MP3 of
    # 42 to 21 kbit/s and Vorbis of 50 to 28); empty: as libsndfile does by itself (44 and 42 kbit/s).
    codec_compression: tuple[float, ...] = ()
    reverb_probability: float = 0.0  # of a made-up room: noise that dies away
    reverb_seconds: tuple[float, ...] = (0.1, 0.5)  # T60
    room_probability: float = 0.0  # of a room simulated by the image method
    room_seconds: tuple[float, ...] = (0.2, 0.8)  # T60
    noise_probability: float = 0.0  # of Gaussian noise, white to brown
    noise_snr_db: tuple[float, ...] = (10.0, 30.0)  # of speech to noise
    recorded_probability: float = 0.0  # of noise from files
    recorded_snr_db: tuple[float, ...] = (5.0, 25.0)  # of speech to noise
    noise_folder: str = ""  # of recorded noise: a folder of audio files for each kind
    noise_kinds: tuple[str, ...] = ()  # which of these folders; empty: all
    clipping_probability: float = 0.0  # of overdriven recordings
    clipping_share: tuple[float, ...] = (0.001, 0.03)  # of samples that are cut off; the logarithm is drawn
    telephone_probability: float = 0.0  # of a telephone: 8 kHz, its band and its codec
    telephone_codecs: tuple[str, ...] = TELEPHONE_CODECS  # drawn evenly
    messenger_probability: float = 0.0  # of Opus
    messenger_kbits: tuple[float, ...] = (8.0, 24.0)  # kilobits a second
    gain_probability: float = 0.0  # of another loudness
    gain_db: tuple[float, ...] = (-20.0, 10.0)  # what then lies beyond full scale is cut off
    freq_masks: int = 2  # SpecAugment
    freq_mask_bins: int = 12  # of one mask, at most
    time_masks_per_second: float = 0.15  # SpecAugment, in time
    time_mask_frames: int = 30  # of one mask, at most
    time_mask_share: float = 0.15  # of an utterance's frames, at most, in one mask

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.endswith("_probability") and not 0 <= value <= 1:
                raise ConfigError(f"augment.{name} must lie in 0..1, not {value}.")
            if value == () and name not in MAY_BE_EMPTY:
                raise ConfigError(f"augment.{name} is empty; give a value, or the least and the greatest.")
        check_ranges(self, "augment.", RANGES)
        if self.recorded_probability and not self.noise_folder:
            raise ConfigError("augment.recorded_probability needs augment.noise_folder, a folder of kinds of noise.")
        unknown = sorted(set(self.telephone_codecs) - set(TELEPHONE_CODECS))
        if unknown or not self.telephone_codecs:
            raise ConfigError(f"augment.telephone_codecs must be among {', '.join(TELEPHONE_CODECS)}.")
        if self.clipping_share[0] <= 0 or self.clipping_share[-1] >= 1:
            raise ConfigError("augment.clipping_share must lie above 0 and below 1.")


def change_speed(samples: Samples, factor: float) -> Samples:
    """Play `factor` times as fast, pitch and tempo together (sox's `speed`; Ko et al. 2015), by resampling."""
    if factor == 1.0 or not len(samples):
        return samples
    return np.asarray(soxr.resample(samples, factor, 1.0, quality="MQ"), dtype=np.float32)


def low_pass(samples: Samples, sample_rate: int, cutoff: float) -> Samples:
    """Remove what lies above `cutoff` Hz, by resampling down to twice that and back: steep, as codecs do."""
    narrow = resample(samples, sample_rate, max(1, round(2 * cutoff)))
    wide = resample(narrow, max(1, round(2 * cutoff)), sample_rate)
    return fitted(wide, len(samples))


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
    return fitted(decoded, len(samples))


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
    gain = np.sqrt(np.square(samples).mean() / np.square(heard).mean())
    scaled: Samples = (heard * gain).astype(np.float32)
    return scaled


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
    noisy: Samples = (samples + scale * noise).astype(np.float32)
    return noisy


def clip_share(samples: Samples, share: float) -> Samples:
    """Cut off the loudest samples at the level that `share` of them reach, as an overloaded microphone does."""
    if not len(samples):
        return samples
    level = float(np.quantile(np.abs(samples), 1.0 - share))
    return np.clip(samples, -level, level)


def change_gain(samples: Samples, decibels: float) -> Samples:
    """Louder or softer by so many decibels; what then lies beyond full scale is cut off."""
    scaled: Samples = np.clip(samples * np.float32(10.0 ** (decibels / 20)), -1.0, 1.0)
    return scaled


def augment_samples(samples: Samples, sample_rate: int, config: AugmentConfig, random: np.random.Generator) -> Samples:
    """The samples after what happens on the way from a mouth to a file, each step as `config` draws it.

    The voice (speed, vocal tract), the room, the noise in it, the microphone (clipping), the way (telephone, messenger,
    gain), the file (low-pass, codec).
    """
    if config.speeds:
        samples = change_speed(samples, config.speeds[random.integers(len(config.speeds))])
    if _drawn(config.warp_probability, random):
        samples = warp_spectrum(samples, _between(config.warp_factors, random))
    samples = _in_surroundings(samples, sample_rate, config, random)
    if _drawn(config.clipping_probability, random):
        low, high = np.log(config.clipping_share[0]), np.log(config.clipping_share[-1])
        samples = clip_share(samples, float(np.exp(random.uniform(low, high))))
    if _drawn(config.telephone_probability, random):
        codec = config.telephone_codecs[random.integers(len(config.telephone_codecs))]
        samples = through_telephone(samples, sample_rate, codec)
    if _drawn(config.messenger_probability, random):
        samples = through_opus(samples, sample_rate, _between(config.messenger_kbits, random))
    if _drawn(config.gain_probability, random):
        samples = change_gain(samples, _between(config.gain_db, random))
    if random.random() < config.low_pass_probability:
        samples = low_pass(samples, sample_rate, _between(config.low_pass_hz, random))
    if random.random() < config.codec_probability:
        codec, levels = ("MP3", "OGG")[random.integers(2)], config.codec_compression
        samples = through_codec(samples, sample_rate, codec, _between(levels, random) if levels else None)
    return samples


def _in_surroundings(samples: Samples, sample_rate: int, config: AugmentConfig, random: np.random.Generator) -> Samples:
    """Rooms and noises."""
    if _drawn(config.reverb_probability, random):
        samples = reverberate(samples, sample_rate, _between(config.reverb_seconds, random), random)
    if _drawn(config.room_probability, random):
        samples = in_room(samples, sample_rate, draw_room(_between(config.room_seconds, random), random))
    if _drawn(config.noise_probability, random):
        snr = _between(config.noise_snr_db, random)
        samples = add_noise(samples, snr, random.uniform(0.0, 2.0), random)
    if _drawn(config.recorded_probability, random):
        snr = _between(config.recorded_snr_db, random)
        noise = recorded_noise(config.noise_folder, config.noise_kinds, sample_rate).excerpt(len(samples), random)
        samples = mix(samples, noise, snr)
    return samples


def _drawn(probability: float, random: np.random.Generator) -> bool:
    """No number is drawn for what is switched off, so that older configurations give what they gave."""
    return probability > 0 and random.random() < probability


def _between(limits: tuple[float, ...], random: np.random.Generator) -> float:
    return float(random.uniform(limits[0], limits[-1]))


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
