"""CTC training of the acoustic model, as a task for the one training loop."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.acoustic.criteria.base import Criterion, Items, Outputs
from asr.acoustic.criteria.ctc import frames_needed
from asr.acoustic.inference import batch_log_probs, pad_samples
from asr.acoustic.network import AcousticModel
from asr.audio.augment import AugmentConfig, augment_samples, spec_augment_mask
from asr.data.audio_store import AudioStore
from asr.data.batching import plan_batches
from asr.data.config import DataConfig
from asr.data.manifest import BadItem
from asr.data.references import within_limits
from asr.train.fingerprint import fingerprint
from asr.train.log import AUDIO_SPEED, SpeedUnit


@dataclass
class CtcBatch:
    """Utterances padded to one length."""

    ids: list[str]
    samples: Tensor  # (batch, time)
    lengths: Tensor  # (batch,) samples, on the CPU
    mask: Tensor  # (views * batch, frames, dim), true where SpecAugment hides
    targets: list[list[int]]
    epoch: int  # from 0


@dataclass
class CtcTask:
    """Training and validation of one acoustic model. `train` and `dev` pair utterances with target token ids."""

    model: AcousticModel
    train: Items
    dev: Items
    data: DataConfig
    augment: AugmentConfig
    criterion: Criterion
    seed: int = 1
    too_long: list[BadItem] = field(default_factory=list)  # or too short: not trained on
    infeasible: set[str] = field(default_factory=set)  # utterances met so far that have more tokens than frames

    def __post_init__(self) -> None:
        self._store = AudioStore(self.data.cache_hours * 3600, self.model.config.features.sample_rate)
        self.train, self.too_long = within_limits(self.train, self.data)
        self._words = {utterance.id: (utterance.text or "").split() for utterance, _ in self.train}

    @property
    def speed_unit(self) -> SpeedUnit:
        """Seconds of audio."""
        return AUDIO_SPEED

    @property
    def metric(self) -> str:
        """The figure of `validate` that says which weights are best."""
        return self.criterion.metric

    @property
    def unreadable(self) -> dict[str, str]:
        """Reasons by id of the utterances met so far that cannot be read."""
        return self._store.unreadable

    def fingerprints(self) -> dict[str, str]:
        """What tells the manifests, as they are spelled in tokens, from others; files may lie elsewhere."""
        return {"training data": _fingerprint(self.train), "validation data": _fingerprint(self.dev)}

    def plan(self, epoch: int) -> list[list[int]]:
        """Batches of indices into `train`; the first `sorted_epochs` go from short to long."""
        durations = [utterance.duration for utterance, _ in self.train]
        limit = self.data.batch_seconds
        batches = plan_batches(durations, limit, self.data.min_fill, (self.seed, epoch)).batches
        if epoch < self.data.sorted_epochs:
            batches.sort(key=lambda batch: max(durations[index] for index in batch))
        return batches

    def prepare(self, plan: list[int], epoch: int, device: torch.device) -> CtcBatch:
        """A batch, read and augmented; the result for an utterance depends on (seed, epoch, its index) alone."""
        config = self.model.config.features
        ids, pieces, targets = [], [], []
        views: list[list[np.ndarray]] = [[] for _ in range(self.criterion.views)]
        for index in plan:
            utterance, target = self.train[index]
            random = np.random.default_rng([self.seed, epoch, index])
            samples = self._store.try_read(utterance)
            if samples is None:
                continue
            samples = augment_samples(samples, config.sample_rate, self.augment, random)
            frames = int(self.model.features.frame_lengths(torch.tensor(len(samples))))
            if frames < 1:
                continue
            for view in views:
                view.append(spec_augment_mask(frames, config.dim, self.augment, random, 1000 / config.frame_shift_ms))
            ids.append(utterance.id)
            pieces.append(samples)
            targets.append(target)
        samples_tensor, lengths = pad_samples(pieces)
        masks = list(itertools.chain(*views))
        mask = torch.zeros(len(masks), max((len(m) for m in masks), default=0), config.dim, dtype=torch.bool)
        for row, piece in enumerate(masks):
            mask[row, : len(piece)] = torch.from_numpy(piece)
        return CtcBatch(ids, samples_tensor.to(device), lengths, mask.to(device), targets, epoch)

    def loss(self, batch: CtcBatch) -> tuple[Tensor, dict[str, float]]:
        """The criterion's loss over the utterances whose tokens fit their frames.

        An utterance with fewer output frames than its tokens need has an infinite loss: it is left out and named in
        `infeasible`.
        """
        seconds = float(batch.lengths.sum()) / self.model.config.features.sample_rate
        figures = {"seconds": seconds, "infeasible": 0.0}
        if not batch.ids:
            return sum((p.sum() for p in self.model.parameters()), torch.tensor(0.0)) * 0.0, figures
        views, size = self.criterion.views, len(batch.ids)
        log_probs, lengths = self._log_probs(batch)
        room = lengths.tolist()[:size]
        fits = [row for row, target in enumerate(batch.targets) if frames_needed(target) <= room[row]]
        if len(fits) < size:
            self.infeasible.update(batch.ids[row] for row in set(range(size)) - set(fits))
            figures["infeasible"] = float(size - len(fits))
            rows = [row + view * size for view in range(views) for row in fits]
            log_probs, lengths = log_probs[rows], lengths[rows]
        if not fits:
            return log_probs.sum() * 0.0, figures
        targets = [batch.targets[row] for row in fits] * views
        words = [self._words[batch.ids[row]] for row in fits]
        loss, more = self.criterion.loss(Outputs(log_probs, lengths, targets, words, batch.epoch))
        return loss, figures | more

    def _log_probs(self, batch: CtcBatch) -> tuple[Tensor, Tensor]:
        """Log-probabilities (views * batch, frames, tokens) of a batch's views, and their lengths on the CPU."""
        views = self.criterion.views
        with torch.no_grad(), torch.autocast(batch.samples.device.type, enabled=False):  # bf16 is too coarse for them
            features, frame_lengths = self.model.features(batch.samples, batch.lengths.to(batch.samples.device))
            features = features.masked_fill(batch.mask.unflatten(0, (views, -1)), 0.0).flatten(0, 1)  # of each view
        log_probs, _ = self.model(features, frame_lengths.repeat(views))
        # On the CPU: asking a GPU for them would wait for it.
        lengths = self.model.output_lengths(batch.lengths).repeat(views)
        return log_probs, lengths

    def validate(self, device: torch.device) -> dict[str, float]:
        """The criterion's figures of the dev set."""
        log_probs: dict[str, NDArray[np.float32]] = {}
        durations = [utterance.duration for utterance, _ in self.dev]
        limit = max(self.data.batch_seconds, *durations)
        for batch in plan_batches(durations, limit, self.data.min_fill, shuffle=False).batches:
            read = [(self.dev[index][0].id, self._store.try_read(self.dev[index][0])) for index in batch]
            usable = [(name, samples) for name, samples in read if samples is not None]
            outputs = batch_log_probs(self.model, [samples for _, samples in usable], device)
            log_probs.update(zip((name for name, _ in usable), outputs, strict=True))
        return self.criterion.validate(log_probs, self.dev, device)


def _fingerprint(items: Items) -> str:
    return fingerprint(
        [[item.id, item.offset, item.duration, item.text, list(map(int, target))] for item, target in items]
    )
