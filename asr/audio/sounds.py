"""Sounds without speech, made from nothing: noise of every colour, hum, tones, chords, clicks, silence.

A recogniser should find no words in them; it learns that from examples with empty texts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from asr.audio.read import Samples

LEVEL_DB = (-60.0, -8.0)  # below full scale, of what is drawn; peaks reach it


def coloured_noise(length: int, sample_rate: int, random: np.random.Generator) -> Samples:
    """Gaussian noise whose power falls as 1 / frequency ** colour, colour drawn from 0 (white) to 2 (brown)."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    spectrum[1:] *= np.arange(1, len(spectrum)) ** (-random.uniform(0.0, 2.0) / 2)
    spectrum[0] = 0.0
    return np.fft.irfft(spectrum, length).astype(np.float32)


def swelling_noise(length: int, sample_rate: int, random: np.random.Generator) -> Samples:
    """Coloured noise that comes and goes, 0.2 to 4 times a second, as breath, surf and traffic do."""
    times = np.arange(length) / sample_rate
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * random.uniform(0.2, 4.0) * times + random.uniform(0, 2 * np.pi))
    return (coloured_noise(length, sample_rate, random) * wave ** random.uniform(1.0, 4.0)).astype(np.float32)


def hum(length: int, sample_rate: int, random: np.random.Generator) -> Samples:
    """A mains hum of 50 or 60 Hz and its harmonics, each weaker than the one before, with a little noise."""
    frequency, decay = random.choice([50.0, 60.0]), random.uniform(0.5, 0.95)
    tone = _harmonics(np.full(length, frequency), sample_rate, decay, random)
    return tone + np.float32(0.02) * coloured_noise(length, sample_rate, random)


def tone(length: int, sample_rate: int, random: np.random.Generator) -> Samples:
    """One tone of 80 to 4000 Hz, plain or with harmonics, steady or gliding."""
    start, end = np.exp(random.uniform(np.log(80.0), np.log(4000.0), 2))
    frequency = np.full(length, start) if random.random() < 0.5 else np.geomspace(start, end, length)
    return _harmonics(frequency, sample_rate, random.choice([0.0, random.uniform(0.2, 0.8)]), random)


def music(length: int, sample_rate: int, random: np.random.Generator) -> Samples:
    """Chords of two to four notes that are struck and fade, two to six a second at most, each note with harmonics."""
    out = np.zeros(length, np.float32)
    place, beat = 0, int(sample_rate * random.uniform(0.15, 0.6))
    decay = random.uniform(0.3, 0.8)
    while place < length:
        left = min(length - place, int(beat * random.integers(1, 5)))
        fading = np.exp(-np.arange(left) / sample_rate * random.uniform(1.0, 6.0)).astype(np.float32)
        root = int(random.integers(40, 72))  # MIDI numbers
        for interval in random.choice([0, 3, 4, 7, 10, 12, 16], int(random.integers(2, 5)), replace=False):
            frequency = np.full(left, 440.0 * 2.0 ** ((root + interval - 69) / 12))
            out[place : place + left] += fading * _harmonics(frequency, sample_rate, decay, random)
        place += left
    return out


def clicks(length: int, sample_rate: int, random: np.random.Generator) -> Samples:
    """Short bursts of noise, one to ten a second, as of keys and taps, over faint noise."""
    out = np.float32(0.003) * random.standard_normal(length, dtype=np.float32)
    for place in random.integers(0, length, max(1, int(length / sample_rate * random.uniform(1.0, 10.0)))):
        burst = int(sample_rate * random.uniform(0.002, 0.03))
        fading = np.exp(-5.0 * np.arange(burst) / burst).astype(np.float32)
        piece = fading * random.standard_normal(burst, dtype=np.float32)
        out[place : place + burst] += piece[: max(0, length - place)]
    return out


def silence(length: int, sample_rate: int, random: np.random.Generator) -> Samples:
    """Digital silence."""
    return np.zeros(length, np.float32)


KINDS: dict[str, Callable[[int, int, np.random.Generator], Samples]] = {
    "noise": coloured_noise, "swelling": swelling_noise, "hum": hum, "tone": tone, "music": music, "clicks": clicks,
    "silence": silence,
}  # fmt: skip


def draw_sound(kind: str, seconds: float, sample_rate: int, random: np.random.Generator) -> Samples:
    """`seconds` of one of `KINDS`, its peak at a level drawn evenly in decibels from `LEVEL_DB`."""
    samples = KINDS[kind](max(1, round(seconds * sample_rate)), sample_rate, random)
    peak = float(np.abs(samples).max())
    level = 10.0 ** (random.uniform(*LEVEL_DB) / 20)
    return samples if not peak else (samples * np.float32(level / peak)).astype(np.float32)


def _harmonics(frequency: np.ndarray, sample_rate: int, decay: float, random: np.random.Generator) -> Samples:
    """A tone whose frequency is given for every sample, with harmonics each `decay` times as strong as the last."""
    phase = 2 * np.pi * np.cumsum(frequency) / sample_rate
    out = np.zeros(len(frequency))
    for number in range(1, 9):
        audible = number * frequency < 0.45 * sample_rate
        out += decay ** (number - 1) * audible * np.sin(number * phase + random.uniform(0, 2 * np.pi))
    return out.astype(np.float32)
