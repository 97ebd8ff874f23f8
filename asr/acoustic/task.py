"""CTC training of the acoustic model, as a task for the one training loop."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from asr.acoustic.model import AcousticModel
from asr.audio.augment import AugmentConfig, augment_samples, spec_augment_mask
from asr.audio.read import Samples
from asr.data.audio_store import AudioStore
from asr.data.batching import plan_batches
from asr.data.manifest import BadItem, Utterance
from asr.errors import AudioError

Evaluate = Callable[[dict[str, np.ndarray]], dict[str, float]]


@dataclass(frozen=True)
class DataConfig:
    """How training data is grouped and kept."""

    batch_seconds: float = 160.0  # of audio in one batch, padding included
    min_fill: float = 0.95  # least share of a batch that is speech
    min_seconds: float = 0.1
    max_seconds: float = 35.0  # longer utterances are listed and left out
    cache_hours: float = 12.0  # of decoded audio in memory (115 MB an hour)
    sorted_epochs: int = 1  # first epochs that go from short to long (a curriculum)


@dataclass
class CtcBatch:
    """Utterances padded to one length."""

    ids: list[str]
    samples: Tensor  # (batch, time)
    lengths: Tensor  # (batch,) samples
    mask: Tensor  # (batch, frames, dim), true where SpecAugment hides
    targets: list[list[int]]


@dataclass
class CtcTask:
    """Training and validation of one acoustic model.

    `train` and `dev` pair utterances with target token ids; `evaluate` turns the dev set's log-probabilities, by
    utterance id, into figures, among them `metric`.
    """

    model: AcousticModel
    train: Sequence[tuple[Utterance, list[int]]]
    dev: Sequence[tuple[Utterance, list[int]]]
    data: DataConfig
    augment: AugmentConfig
    evaluate: Evaluate
    metric: str = "ter"
    seed: int = 1
    too_long: list[BadItem] = field(default_factory=list)
    infeasible: set[str] = field(default_factory=set)  # utterances with more tokens than frames, seen so far
    unreadable: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.model.config.features
        self._store = AudioStore(self.data.cache_hours * 3600, config.sample_rate)
        kept = []
        for item in self.train:
            length = item[0].duration
            if self.data.min_seconds <= length <= self.data.max_seconds:
                kept.append(item)
            else:
                limits = f"{self.data.min_seconds:g}..{self.data.max_seconds:g} s (data.min_seconds, data.max_seconds)"
                self.too_long.append(BadItem(item[0].id, f"its {length:.2f} s lie outside {limits}"))
        self.train = kept

    def plan(self, epoch: int) -> list[list[int]]:
        """Batches of indices into `train`; the first `sorted_epochs` go from short to long."""
        durations = [utterance.duration for utterance, _ in self.train]
        limit = self.data.batch_seconds
        batches = plan_batches(durations, limit, self.data.min_fill, (self.seed, epoch)).batches
        if epoch < self.data.sorted_epochs:
            batches.sort(key=lambda batch: max(durations[index] for index in batch))
        return batches

    def prepare(self, plan: list[int], epoch: int, device: torch.device) -> CtcBatch:
        """Read and augment; what each utterance becomes depends on (seed, epoch, its index) alone."""
        config = self.model.config.features
        ids, pieces, masks, targets = [], [], [], []
        for index in plan:
            utterance, target = self.train[index]
            random = np.random.default_rng([self.seed, epoch, index])
            samples = self._read(utterance)
            if samples is None:
                continue
            samples = augment_samples(samples, config.sample_rate, self.augment, random)
            frames = int(self.model.features.frame_lengths(torch.tensor(len(samples))))
            if frames < 1:
                continue
            masks.append(spec_augment_mask(frames, config.dim, self.augment, random, 1000 / config.frame_shift_ms))
            ids.append(utterance.id)
            pieces.append(samples)
            targets.append(target)
        samples_tensor, lengths = pad_samples(pieces)
        mask = torch.zeros(len(masks), max((len(m) for m in masks), default=0), config.dim, dtype=torch.bool)
        for row, piece in enumerate(masks):
            mask[row, : len(piece)] = torch.from_numpy(piece)
        return CtcBatch(
            ids, samples_tensor.to(device), lengths.to(device), mask.to(device), targets
        )  # fmt: skip

    def _read(self, utterance: Utterance) -> Samples | None:
        try:
            return self._store.read(utterance)
        except AudioError as error:
            self.unreadable[utterance.id] = str(error)
            return None

    def loss(self, batch: CtcBatch) -> tuple[Tensor, dict[str, float]]:
        """CTC loss in nats per token (Graves et al. 2006), over the utterances whose tokens fit their frames.

        An utterance with fewer output frames than its tokens need has an infinite loss: it is left out and named in
        `infeasible`.
        """
        seconds = float(batch.lengths.sum()) / self.model.config.features.sample_rate
        figures = {"seconds": seconds, "infeasible": 0.0}
        if not batch.ids:
            return sum((p.sum() for p in self.model.parameters()), torch.tensor(0.0)) * 0.0, figures
        with torch.no_grad(), torch.autocast(batch.samples.device.type, enabled=False):  # bf16 is too coarse for them
            features, frame_lengths = self.model.features(batch.samples, batch.lengths)
            features = features.masked_fill(batch.mask, 0.0)
        log_probs, lengths = self.model(features, frame_lengths)
        fits = [row for row, target in enumerate(batch.targets) if frames_needed(target) <= int(lengths[row])]
        if len(fits) < len(batch.ids):
            self.infeasible.update(batch.ids[row] for row in set(range(len(batch.ids))) - set(fits))
            figures["infeasible"] = float(len(batch.ids) - len(fits))
            log_probs, lengths = log_probs[fits], lengths[fits]
        if not fits:
            return log_probs.sum() * 0.0, figures
        targets = [batch.targets[row] for row in fits]
        target_lengths = torch.tensor([len(target) for target in targets])
        flat = torch.tensor([token for target in targets for token in target], dtype=torch.long)
        losses = ctc_loss(
            log_probs.transpose(0, 1), flat.to(log_probs.device), lengths.cpu(), target_lengths, reduction="none"
        )
        return losses.sum() / max(1, int(target_lengths.sum())), figures

    def validate(self, device: torch.device) -> dict[str, float]:
        """Whatever `evaluate` finds in the log-probabilities of the dev set."""
        log_probs: dict[str, np.ndarray] = {}
        durations = [utterance.duration for utterance, _ in self.dev]
        limit = max(self.data.batch_seconds, *durations)
        for batch in plan_batches(durations, limit, self.data.min_fill, shuffle=False).batches:
            read = [(self.dev[index][0].id, self._read(self.dev[index][0])) for index in batch]
            usable = [(name, samples) for name, samples in read if samples is not None]
            outputs = batch_log_probs(self.model, [samples for _, samples in usable], device)
            log_probs.update(zip((name for name, _ in usable), outputs, strict=True))
        return self.evaluate(log_probs)


def frames_needed(target: Sequence[int]) -> int:
    """Fewest frames CTC can put `target` in: its tokens, and a blank between equal neighbours."""
    return len(target) + sum(left == right for left, right in itertools.pairwise(target))


def pad_samples(pieces: Sequence[Samples]) -> tuple[Tensor, Tensor]:
    """Samples (batch, time), zero-padded, and their lengths (batch,)."""
    lengths = torch.tensor([len(piece) for piece in pieces], dtype=torch.long)
    padded = torch.zeros(len(pieces), int(lengths.max()) if len(pieces) else 0)
    for row, piece in enumerate(pieces):
        padded[row, : len(piece)] = torch.from_numpy(np.ascontiguousarray(piece))
    return padded, lengths


def batch_log_probs(model: AcousticModel, pieces: Sequence[Samples], device: torch.device) -> list[np.ndarray]:
    """Log-probabilities (frames, tokens) of each piece of samples, computed in one padded batch."""
    if not pieces:
        return []
    with torch.inference_mode():
        samples, lengths = pad_samples(pieces)
        log_probs, output_lengths = model.log_probs(samples.to(device), lengths.to(device))
        rows = log_probs.cpu().numpy()
    return [row[:length] for row, length in zip(rows, output_lengths.tolist(), strict=True)]
