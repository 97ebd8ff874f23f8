"""Longer examples made by concatenating utterances of one speaker or of several, with pauses.

Segments of long recordings contain several utterances; a model that was trained on single utterances has more errors
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.audio.read import Samples
from asr.data.manifest import Utterance
from asr.errors import ConfigError

QUIET_FRAME_SECONDS = 0.02
QUIET_QUANTILE = 0.1  # the quietest frames of an utterance by power, taken as its background
TRIES = 200  # utterances that are tried for one example


@dataclass(frozen=True)
class JoinConfig:
    """How utterances are concatenated."""

    share: float = 0.3  # of the audio that goes into joined examples, where it then no longer stands by itself
    one_speaker_share: float = (
        0.5  # of joined examples whose utterances are of one speaker, as far as speakers are known
    )
    max_seconds: float = 25.0  # of a joined example, pauses included
    gap_seconds: tuple[float, ...] = (0.0, 1.2)  # of the pause between two utterances, drawn evenly between
    silent_share: float = 0.5  # of pauses that are digital silence; the others go on with the background before them

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or not 0 <= self.one_speaker_share <= 1 or not 0 <= self.silent_share <= 1:
            raise ConfigError("join.share, join.one_speaker_share and join.silent_share must lie in 0..1.")
        if not self.gap_seconds or min(self.gap_seconds) < 0 or self.max_seconds <= 0:
            raise ConfigError("join.gap_seconds must be lengths from 0 on, and join.max_seconds must be above 0.")


@dataclass(frozen=True)
class Joined:
    """Utterances to concatenate, and the pause in seconds after each but the last."""

    utterances: tuple[Utterance, ...]
    gaps: tuple[float, ...]

    @property
    def seconds(self) -> float:
        return sum(utterance.duration for utterance in self.utterances) + sum(self.gaps)

    @property
    def text(self) -> str:
        return " ".join(utterance.text or "" for utterance in self.utterances)


def plan_joined(
    utterances: Sequence[Utterance], config: JoinConfig, random: np.random.Generator
) -> tuple[list[Joined], list[Utterance]]:
    """Joined examples of about `config.share` of the audio, each of two utterances or more, and the utterances left.

    No utterance is used twice. Utterances without text stay single.
    """
    order = [utterances[index] for index in random.permutation(len(utterances))]
    waiting = {utterance.id: utterance for utterance in order if utterance.text}
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in order:
        if utterance.text and utterance.speaker:
            by_speaker.setdefault(utterance.speaker, []).append(utterance)
    wanted = config.share * sum(utterance.duration for utterance in utterances)
    joined: list[Joined] = []
    done = 0.0
    for first in order:
        if done >= wanted:
            break
        if waiting.pop(first.id, None) is None:
            continue
        alike = bool(first.speaker) and random.random() < config.one_speaker_share
        pool = by_speaker[str(first.speaker)] if alike else order
        group = _gather(first, pool, waiting, config, random)
        if group is None:
            continue  # alone: it stays what it is
        joined.append(group)
        done += sum(utterance.duration for utterance in group.utterances)
    used = {utterance.id for group in joined for utterance in group.utterances}
    return joined, [utterance for utterance in utterances if utterance.id not in used]


def _gather(
    first: Utterance,
    pool: Sequence[Utterance],
    waiting: dict[str, Utterance],
    config: JoinConfig,
    random: np.random.Generator,
) -> Joined | None:
    """`first` and following utterances of the pool, up to a random length; None if no other fits."""
    limit = random.uniform(min(first.duration, config.max_seconds), config.max_seconds)
    group, gaps, seconds = [first], [], first.duration
    start = int(random.integers(len(pool)))
    for place in range(min(len(pool), TRIES)):
        other = pool[(start + place) % len(pool)]
        gap = float(random.uniform(config.gap_seconds[0], config.gap_seconds[-1]))
        if other.id not in waiting or seconds + gap + other.duration > max(limit, 0.6 * config.max_seconds):
            continue
        group.append(waiting.pop(other.id))
        gaps.append(gap)
        seconds += gap + other.duration
    return Joined(tuple(group), tuple(gaps)) if gaps else None


def join_samples(
    pieces: Sequence[Samples],
    gaps: Sequence[float],
    sample_rate: int,
    silent_share: float,
    random: np.random.Generator,
) -> Samples:
    """The pieces (time,) concatenated, with a pause of the given seconds after each but the last."""
    parts: list[Samples] = []
    for number, piece in enumerate(pieces):
        parts.append(piece)
        if number < len(gaps):
            pause = np.zeros(round(gaps[number] * sample_rate), np.float32)
            if random.random() >= silent_share:
                pause += background_level(piece, sample_rate) * random.standard_normal(len(pause), dtype=np.float32)
            parts.append(pause)
    return np.concatenate(parts)


def background_level(samples: Samples, sample_rate: int) -> np.float32:
    """Root mean square of the quietest tenth of short frames, or 0 for samples shorter than one."""
    size = int(QUIET_FRAME_SECONDS * sample_rate)
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    if not len(frames):
        return np.float32(0.0)
    powers = np.square(frames, dtype=np.float64).mean(axis=1)
    return np.float32(np.sqrt(np.quantile(powers, QUIET_QUANTILE)))
