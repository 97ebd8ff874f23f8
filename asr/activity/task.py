"""Training of voice-activity detectors, as a task for the one training loop.

An example is a stretch of fixed length: utterances of any speakers with pauses between them, or sounds alone, then all
of it in rooms, with noise, through telephones and codecs as `augment` draws it. A frame's label says whether a word is
being spoken in its middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from asr.activity.config import DEVIATION, MEAN
from asr.activity.network import ActivityNetwork
from asr.audio.augment import AugmentConfig, augment_samples
from asr.audio.features import Features
from asr.audio.noise import recorded_noise
from asr.audio.read import Samples
from asr.audio.sounds import KINDS, draw_sound
from asr.data.audio_store import AudioStore
from asr.data.joining import background_level
from asr.data.manifest import Utterance
from asr.errors import ConfigError
from asr.train.fingerprint import fingerprint
from asr.train.log import AUDIO_SPEED, SpeedUnit

SPOKEN = "spoken"  # key of a manifest: [start, end] of each stretch of speech, in seconds of the utterance
SHORT_GAP = 0.1  # seconds between two words that are speech as well
MARGIN = 0.06  # seconds around speech whose frames have no label: an aligned word's edges are not exact
UNLABELLED = -1.0
Span = tuple[float, float]


@dataclass(frozen=True)
class ExampleConfig:
    """The examples that are made of utterances and sounds."""

    seconds: float = 16.0  # of an example
    per_epoch: int = 2400  # examples
    batch: int = 32  # examples in a batch
    dev: int = 320  # examples to validate on
    gap_seconds: tuple[float, ...] = (0.05, 3.0)  # between two utterances; the logarithm is drawn evenly
    without_speech: float = 0.15  # share of examples

    def __post_init__(self) -> None:
        if min(self.per_epoch, self.batch, self.dev) < 1 or not 0.1 <= self.seconds <= 600:
            raise ConfigError("examples need per_epoch, batch and dev of at least 1, and seconds in 0.1..600.")
        if not 0 <= self.without_speech < 1 or min(self.gap_seconds) <= 0:
            raise ConfigError("examples need without_speech in 0..1 and gap_seconds above 0.")


@dataclass
class Batch:
    """Examples of one length with a label a frame: 1 speech, 0 none, -1 not known."""

    samples: Tensor  # (batch, time)
    labels: Tensor  # (batch, frames)


class ActivityTask:
    """Training and validation of one detector. The manifests' utterances say in `spoken` when words are spoken."""

    metric = "nats"

    def __init__(
        self, model: ActivityNetwork, train: Sequence[Utterance], dev: Sequence[Utterance], examples: ExampleConfig,
        augment: AugmentConfig, dev_augment: AugmentConfig, cache_hours: float = 10.0, seed: int = 1,
    ) -> None:  # fmt: skip
        if augment.speeds or augment.warp_probability:
            raise ConfigError("augment.speeds must be empty here: the times of words would move.")
        self.model, self._examples, self._seed = model, examples, seed
        self._sets = ((list(train), augment), (list(dev), dev_augment))
        self._features = Features(model.config.features)
        self._store = AudioStore(cache_hours * 3600, model.config.features.sample_rate)

    @property
    def speed_unit(self) -> SpeedUnit:
        """Seconds of audio."""
        return AUDIO_SPEED

    @property
    def unreadable(self) -> dict[str, str]:
        """Reasons by id of the utterances met so far that cannot be read."""
        return self._store.unreadable

    def fingerprints(self) -> dict[str, str]:
        """What tells the manifests from others; files may lie elsewhere."""
        names = ("training data", "validation data")
        return {
            name: fingerprint([[item.id, item.offset, item.duration, item.extra.get(SPOKEN)] for item in utterances])
            for name, (utterances, _) in zip(names, self._sets, strict=True)
        }

    def plan(self, epoch: int) -> list[list[int]]:
        """The numbers of the examples of each batch."""
        return _batches(self._examples.per_epoch, self._examples.batch)

    def prepare(self, plan: list[int], epoch: int, device: torch.device) -> Batch:
        return self._batch(plan, 0, epoch, device)

    def _batch(self, plan: list[int], which: int, epoch: int, device: torch.device) -> Batch:
        made = [self._example(which, np.random.default_rng([self._seed, which, epoch, number])) for number in plan]
        samples = torch.from_numpy(np.stack([samples for samples, _ in made]))
        labels = torch.from_numpy(np.stack([labels for _, labels in made]))
        return Batch(samples.to(device), labels.to(device))

    def _example(self, which: int, random: np.random.Generator) -> tuple[Samples, NDArray[np.float32]]:
        """Samples (time,) and labels (frames,)."""
        utterances, augment = self._sets[which]
        rate = self._store.sample_rate
        length = round(self._examples.seconds * rate)
        if random.random() < self._examples.without_speech:
            spans: list[Span] = []
            samples = self._sounds(length, augment, random)
        else:
            samples, spans = self._conversation(utterances, length, random)
        samples = augment_samples(samples, rate, augment, random)
        features = self.model.config.features
        centres = (np.arange(self._frames(length)) * features.frame_shift + features.frame_length / 2) / rate
        return samples, frame_labels(spans, centres)

    def _frames(self, length: int) -> int:
        return int(self._features.frame_lengths(torch.tensor(length)))

    def _sounds(self, length: int, augment: AugmentConfig, random: np.random.Generator) -> Samples:
        """Made-up sounds or recorded ones, each half of the time where there are any."""
        rate = self._store.sample_rate
        if augment.noise_folder and random.random() < 0.5:
            noise = recorded_noise(augment.noise_folder, augment.noise_kinds, rate).excerpt(length, random)
            return noise * np.float32(10.0 ** (random.uniform(-30.0, 0.0) / 20))
        return draw_sound(sorted(KINDS)[random.integers(len(KINDS))], length / rate, rate, random)[:length]

    def _conversation(
        self, utterances: Sequence[Utterance], length: int, random: np.random.Generator
    ) -> tuple[Samples, list[Span]]:
        """Utterances with pauses of a background like theirs, cut to a length; and when words are spoken."""
        rate = self._store.sample_rate
        parts: list[Samples] = []
        spans: list[Span] = []
        done, level = 0, np.float32(0.0)
        low, high = np.log(self._examples.gap_seconds[0]), np.log(self._examples.gap_seconds[-1])
        while done < length:
            utterance = utterances[int(random.integers(len(utterances)))]
            samples = self._store.try_read(utterance)
            if samples is None:
                continue
            level = level or background_level(samples, rate)
            gap = round(float(np.exp(random.uniform(low, high))) * rate)
            parts += [level * random.standard_normal(gap, dtype=np.float32), samples]
            start = (done + gap) / rate
            spans += [(start + a, start + b) for a, b in utterance.extra[SPOKEN]]
            done += gap + len(samples)
            level = background_level(samples, rate)
        return np.concatenate(parts)[:length], spans

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The mean cross-entropy of the labelled frames, in nats."""
        seconds = batch.samples.numel() / self._store.sample_rate
        return self._cross_entropy(batch)[0], {"seconds": seconds}

    def _cross_entropy(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The mean cross-entropy in nats, and the log-odds and labels of the labelled frames."""
        with torch.no_grad():
            features = (self._features(batch.samples)[0] - MEAN) / DEVIATION
        delay = self.model.config.delay
        odds = self.model(features)[:, delay:]
        labels = batch.labels[:, : odds.shape[1]]
        known = labels != UNLABELLED
        return binary_cross_entropy_with_logits(odds[known], labels[known]), odds[known], labels[known]

    def validate(self, device: torch.device) -> dict[str, float]:
        """Nats a frame; the share of speech that is missed and of the rest that is taken for speech, at even odds."""
        found: list[tuple[Tensor, Tensor]] = []
        with torch.inference_mode():
            for batch in self.dev_batches(device, self._examples.dev):
                _, odds, labels = self._cross_entropy(batch)
                found.append((odds.float().cpu(), labels.cpu()))
        odds, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
        nats = binary_cross_entropy_with_logits(odds, labels)
        missed = (odds[labels == 1] < 0).float().mean()
        false = (odds[labels == 0] >= 0).float().mean()
        return {"nats": round(float(nats), 5), "missed": round(float(missed), 5), "false": round(float(false), 5)}

    def dev_batches(self, device: torch.device, count: int) -> Iterator[Batch]:
        """So many validation examples, always the same ones."""
        for plan in _batches(count, self._examples.batch):
            yield self._batch(plan, 1, 0, device)


def _batches(count: int, size: int) -> list[list[int]]:
    return [list(range(first, min(first + size, count))) for first in range(0, count, size)]


def frame_labels(spans: Sequence[Span], centres: NDArray[np.float64]) -> NDArray[np.float32]:
    """The labels (frames,) of frames with these centres in seconds, for words spoken in `spans`, sorted."""
    labels = np.zeros(len(centres), np.float32)
    merged: list[list[float]] = []
    for start, end in spans:
        if merged and start - merged[-1][1] < SHORT_GAP:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    for start, end in merged:
        labels[slice(*np.searchsorted(centres, [start - MARGIN, end + MARGIN]))] = UNLABELLED
    for start, end in merged:
        labels[slice(*np.searchsorted(centres, [start, end]))] = 1.0
    return labels
