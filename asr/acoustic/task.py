"""CTC training of the acoustic model, as a task for the one training loop."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import ctc_loss
from torch.nn.utils.rnn import pad_sequence

from asr.acoustic.criteria.crf import TokenTrigrams, log_partition
from asr.acoustic.criteria.expected_errors import ExpectedErrors
from asr.acoustic.inference import batch_log_probs, pad_samples
from asr.acoustic.network import AcousticModel
from asr.audio.augment import AugmentConfig, augment_samples, spec_augment_mask
from asr.audio.read import Samples
from asr.data.audio_store import AudioStore
from asr.data.batching import plan_batches
from asr.data.manifest import BadItem, Utterance
from asr.errors import AudioError, ConfigError
from asr.nn.lengths import inside
from asr.train.log import AUDIO_SPEED

Evaluate = Callable[[dict[str, np.ndarray]], dict[str, float]]
DEV_BATCH = 32  # utterances of the dev set whose loss is computed at once


@dataclass(frozen=True)
class DataConfig:
    """How training data is grouped and kept."""

    batch_seconds: float = 160.0  # of audio in one batch, padding included
    min_fill: float = 0.95  # least share of a batch that is speech
    min_seconds: float = 0.1
    max_seconds: float = 35.0  # longer utterances are listed and left out
    cache_hours: float = 12.0  # of decoded audio in memory (115 MB an hour)
    sorted_epochs: int = 1  # first epochs that go from short to long (a curriculum)


@dataclass(frozen=True)
class CriterionConfig:
    """What is minimised."""

    # ctc; crf: CTC against all sequences of a token trigram of the training references; mwer: the word errors expected
    # over the search's best hypotheses, for a model that has been trained by one of the others
    kind: str = "ctc"
    ctc_share: float = 0.1  # of plain CTC that is added to crf
    ctc_epochs: int = 0  # first epochs on plain CTC alone, which finds its way from nothing sooner
    crf_share: float = 0.1  # of crf that is added to mwer's errors a word
    # Above 0 every utterance is seen twice at once, with other masks and dropout, and what the two say of each frame is
    # drawn together by that weight (consistency regularisation, Yao et al. 2024, CR-CTC; 0.2 there).
    consistency: float = 0.0
    # Of mwer: its search, and how many of the best hypotheses count.
    lexicon: str = ""  # of the search; empty: the one that spells the references
    lm: str = ""
    lm_weight: float = 1.0
    word_score: float = 0.0
    beam_size: int = 40
    hypotheses: int = 8

    def __post_init__(self) -> None:
        if self.kind not in ("ctc", "crf", "mwer"):
            raise ConfigError(f"criterion.kind must be ctc, crf or mwer, not {self.kind!r}.")
        if self.consistency < 0 or (self.consistency and self.kind == "mwer"):
            raise ConfigError("criterion.consistency must be 0 or more, and mwer has none.")

    @property
    def views(self) -> int:
        """How often an utterance is seen in one step."""
        return 2 if self.consistency else 1


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
    criterion: CriterionConfig = field(default_factory=CriterionConfig)
    expected_errors: ExpectedErrors | None = None  # where the criterion is mwer
    too_long: list[BadItem] = field(default_factory=list)
    infeasible: set[str] = field(default_factory=set)  # utterances with more tokens than frames, seen so far
    unreadable: dict[str, str] = field(default_factory=dict)
    speed_unit = AUDIO_SPEED

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
        self._trigrams: TokenTrigrams | None = None  # on the CPU
        self._there: TokenTrigrams | None = None  # the same where the model is
        self._reference_log_probs: dict[tuple[int, ...], float] = {}
        self._words = {utterance.id: (utterance.text or "").split() for utterance, _ in kept}
        if self.criterion.kind != "ctc" and kept:
            self._trigrams = TokenTrigrams.estimate((ids for _, ids in kept), self.model.num_tokens)

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
        ids, pieces, targets = [], [], []
        views: list[list[np.ndarray]] = [[] for _ in range(self.criterion.views)]
        for index in plan:
            utterance, target = self.train[index]
            random = np.random.default_rng([self.seed, epoch, index])
            samples = self.read(utterance)
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

    def read(self, utterance: Utterance) -> Samples | None:
        """An utterance's samples, or None for one that cannot be read, which is then named in `unreadable`."""
        try:
            return self._store.read(utterance)
        except AudioError as error:
            self.unreadable[utterance.id] = str(error)
            return None

    def loss(self, batch: CtcBatch) -> tuple[Tensor, dict[str, float]]:
        """The criterion in nats per token, over the utterances whose tokens fit their frames.

        An utterance with fewer output frames than its tokens need has an infinite loss: it is left out and named in
        `infeasible`.
        """
        seconds = float(batch.lengths.sum()) / self.model.config.features.sample_rate
        figures = {"seconds": seconds, "infeasible": 0.0}
        if not batch.ids:
            return sum((p.sum() for p in self.model.parameters()), torch.tensor(0.0)) * 0.0, figures
        views = self.criterion.views
        with torch.no_grad(), torch.autocast(batch.samples.device.type, enabled=False):  # bf16 is too coarse for them
            features, frame_lengths = self.model.features(batch.samples, batch.lengths.to(batch.samples.device))
            features = features.masked_fill(batch.mask.unflatten(0, (views, -1)), 0.0).flatten(0, 1)  # of each view
        log_probs, _ = self.model(features, frame_lengths.repeat(views))
        # On the CPU: asking a GPU for them would wait for it.
        lengths = self.model.front.output_lengths(self.model.features.frame_lengths(batch.lengths)).repeat(views)
        room = lengths.tolist()[: len(batch.ids)]
        fits = [row for row, target in enumerate(batch.targets) if frames_needed(target) <= room[row]]
        if len(fits) < len(batch.ids):
            self.infeasible.update(batch.ids[row] for row in set(range(len(batch.ids))) - set(fits))
            figures["infeasible"] = float(len(batch.ids) - len(fits))
            rows = [row + view * len(batch.ids) for view in range(views) for row in fits]
            log_probs, lengths = log_probs[rows], lengths[rows]
        if not fits:
            return log_probs.sum() * 0.0, figures
        targets = [batch.targets[row] for row in fits] * views
        tokens = max(1, sum(map(len, targets)))
        ctc = ctc_losses(log_probs, lengths, targets).sum()
        apart = self._disagreement(log_probs, lengths, tokens, figures)
        if self._trigrams is None or batch.epoch < self.criterion.ctc_epochs:
            return ctc / tokens + apart, figures
        figures["ctc"] = float(ctc.detach()) / tokens
        crf = ((1 + self.criterion.ctc_share) * ctc + self._rivals(log_probs, lengths, targets)) / tokens + apart
        if self.expected_errors is None:
            return crf, figures
        words = [self._words[batch.ids[row]] for row in fits]
        errors = self.expected_errors(log_probs, lengths, words).sum()
        figures |= {"expected_errors": float(errors.detach()), "words": float(sum(map(len, words)))}
        return errors / max(1.0, figures["words"]) + self.criterion.crf_share * crf, figures

    def _disagreement(
        self, log_probs: Tensor, lengths: Tensor, tokens: int, figures: dict[str, float]
    ) -> Tensor | float:
        """What consistency adds to the loss of a batch whose two halves are two views of the same utterances."""
        if not self.criterion.consistency:
            return 0.0
        found = disagreement(log_probs, lengths) / tokens
        figures["disagreement"] = float(found.detach())
        return self.criterion.consistency * found

    def _rivals(self, log_probs: Tensor, lengths: Tensor, targets: Sequence[list[int]]) -> Tensor:
        """What CTC-CRF adds to the CTC losses of a batch: ln Z - ln P_LM(reference), summed."""
        references = sum(map(self._reference_log_prob, targets))
        trigrams = self._trigrams_like(log_probs)
        return log_partition(log_probs.transpose(0, 1), lengths, trigrams).sum() - references

    def _trigrams_like(self, log_probs: Tensor) -> TokenTrigrams:
        """The trigrams where the log-probabilities are, taken there once."""
        assert self._trigrams is not None
        there = self._there
        if there is None or (there.ends.device, there.ends.dtype) != (log_probs.device, log_probs.dtype):
            there = self._there = self._trigrams.to(log_probs.device, log_probs.dtype)
        return there

    def _reference_log_prob(self, target: Sequence[int]) -> float:
        """ln P_LM of an utterance's tokens, reckoned once."""
        assert self._trigrams is not None
        key = tuple(target)
        if key not in self._reference_log_probs:
            self._reference_log_probs[key] = self._trigrams.log_prob(target)
        return self._reference_log_probs[key]

    def validate(self, device: torch.device) -> dict[str, float]:
        """What `evaluate` finds in the dev set's log-probabilities, and CTC-CRF's loss a token, if trained so."""
        log_probs: dict[str, np.ndarray] = {}
        durations = [utterance.duration for utterance, _ in self.dev]
        limit = max(self.data.batch_seconds, *durations)
        for batch in plan_batches(durations, limit, self.data.min_fill, shuffle=False).batches:
            read = [(self.dev[index][0].id, self.read(self.dev[index][0])) for index in batch]
            usable = [(name, samples) for name, samples in read if samples is not None]
            outputs = batch_log_probs(self.model, [samples for _, samples in usable], device)
            log_probs.update(zip((name for name, _ in usable), outputs, strict=True))
        figures = self.evaluate(log_probs)
        if self._trigrams is not None:
            figures["crf"] = self._dev_crf(log_probs, device)
        return figures

    def _dev_crf(self, log_probs: dict[str, np.ndarray], device: torch.device) -> float:
        """CTC-CRF's loss in nats per token; utterances with too few frames do not count."""
        found = [(log_probs[utterance.id], target) for utterance, target in self.dev if utterance.id in log_probs]
        usable = [pair for pair in found if len(pair[0]) >= frames_needed(pair[1])]
        usable.sort(key=lambda pair: len(pair[0]))  # neighbours are of like length
        total = 0.0
        for start in range(0, len(usable), DEV_BATCH):
            rows, targets = zip(*usable[start : start + DEV_BATCH], strict=True)
            padded = pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True).to(device)
            lengths = torch.tensor([len(row) for row in rows])
            total += float(ctc_losses(padded, lengths, targets).sum() + self._rivals(padded, lengths, targets))
        return round(total / max(1, sum(len(target) for _, target in usable)), 5)


def ctc_losses(log_probs: Tensor, lengths: Tensor, targets: Sequence[list[int]]) -> Tensor:
    """-ln P of each utterance's tokens (batch,) by log-probabilities (batch, frames, tokens) (Graves et al. 2006)."""
    flat = torch.tensor([token for target in targets for token in target], dtype=torch.long)
    sizes = torch.tensor([len(target) for target in targets])
    moved = log_probs.transpose(0, 1)
    return ctc_loss(moved, flat.to(log_probs.device), lengths.cpu(), sizes, reduction="none")


def disagreement(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Divergence of each half of the rows (2 * batch, frames, tokens) from the other, in nats, summed over frames.

    sum over t of KL(other_t || own_t), where no gradient goes into the other (Yao et al. 2024, CR-CTC, eq. 5).
    """
    first, second = log_probs.chunk(2)
    others = torch.cat([second, first]).detach()
    each = (others.exp() * (others - log_probs)).sum(dim=2)
    return each.masked_fill(~inside(lengths.to(each.device), each.shape[1]), 0.0).sum()


def frames_needed(target: Sequence[int]) -> int:
    """Fewest frames CTC can put `target` in: its tokens, and a blank between equal neighbours."""
    return len(target) + sum(left == right for left, right in itertools.pairwise(target))
