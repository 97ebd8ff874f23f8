"""Recorded noise to be added to training audio: folders of clips, kept in memory as 16-bit samples."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import AUDIO_EXTENSIONS, Samples, read_audio
from asr.errors import AudioError, ConfigError

INT16_MAX = 32767.0
FADE_SECONDS = 0.02  # where one clip ends and the next one begins


class RecordedNoise:
    """The clips of some kinds of noise, each kind a folder, all clips of one kind equally likely, and all kinds."""

    def __init__(self, folder: str | Path, kinds: Sequence[str], sample_rate: int) -> None:
        """Read every clip of the kinds (all folders if empty); what cannot be read is listed in `unreadable`.

        Raises ConfigError if a kind has no clip left.
        """
        folder = Path(folder)
        present = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        missing = sorted(set(kinds) - set(present))
        if missing or not present:
            what = f"no {', '.join(missing)}" if missing else "no folders"
            raise ConfigError(f"augment.noise_folder '{folder}' has {what}; each kind of noise is a folder in it.")
        self.sample_rate = sample_rate
        self.clips: dict[str, list[NDArray[np.int16]]] = {}
        self.unreadable: list[str] = []
        for kind in sorted(set(kinds)) or present:
            paths = sorted(p for p in (folder / kind).iterdir() if p.suffix.lower() in AUDIO_EXTENSIONS)
            self.clips[kind] = [clip for clip in map(self._read, paths) if np.any(clip)]
            if not self.clips[kind]:
                raise ConfigError(f"augment.noise_folder: {folder / kind} has no audio file that is not silent.")

    def _read(self, path: Path) -> NDArray[np.int16]:
        try:
            samples = read_audio(path, sample_rate=self.sample_rate)
        except AudioError as error:
            self.unreadable.append(str(error))
            return np.zeros(0, np.int16)
        return np.round(np.clip(samples, -1.0, 1.0) * INT16_MAX).astype(np.int16)

    def excerpt(self, length: int, random: np.random.Generator) -> Samples:
        """`length` samples of one kind: clips drawn at random, one after the other, the first from a random place."""
        clips = self.clips[list(self.clips)[random.integers(len(self.clips))]]
        fade = int(FADE_SECONDS * self.sample_rate)
        rise = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        noise = np.zeros(0, np.float32)
        while len(noise) < length:
            clip = clips[random.integers(len(clips))].astype(np.float32) / np.float32(INT16_MAX)
            if not len(noise):
                noise = clip[random.integers(len(clip)) :]
                continue
            over = min(fade, len(noise), len(clip))
            joint = noise[len(noise) - over :] * rise[fade - over :][::-1] + clip[:over] * rise[fade - over :]
            noise = np.concatenate([noise[: len(noise) - over], joint, clip[over:]])
        return noise[:length]


@lru_cache(maxsize=4)
def recorded_noise(folder: str, kinds: tuple[str, ...], sample_rate: int) -> RecordedNoise:
    """The clips of a folder, read once in a process; a warning counts those that cannot be read.

    Raises ConfigError if no folder is named, or it has no such kinds.
    """
    if not folder:
        raise ConfigError("augment.recorded_probability needs augment.noise_folder, a folder of kinds of noise.")
    found = RecordedNoise(folder, kinds, sample_rate)
    if found.unreadable:
        warnings.warn(
            f"{len(found.unreadable)} clips of noise are left out; first: {found.unreadable[0]}", stacklevel=2
        )
    return found


def mix(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Speech (time,) with noise (time,) at a ratio of mean powers of `snr_db` decibels; silence stays as it is."""
    power = float(np.square(samples, dtype=np.float64).mean()) if len(samples) else 0.0
    other = float(np.square(noise, dtype=np.float64).mean()) if len(noise) else 0.0
    if not power or not other:
        return samples
    scale = np.float32(np.sqrt(power / other) * 10.0 ** (-snr_db / 20))
    return (samples + scale * noise).astype(np.float32)
