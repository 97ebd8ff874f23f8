"""Connectionist temporal classification (Graves et al. 2006)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from asr.acoustic.criteria.base import Criterion, Items, LogProbs, Outputs
from asr.acoustic.evaluate import best_path_figures, best_path_metric
from asr.text.tokens import Tokens


def ctc_losses(log_probs: Tensor, lengths: Tensor, targets: Sequence[list[int]]) -> Tensor:
    """-ln P of each utterance's tokens (batch,) by log-probabilities (batch, frames, tokens)."""
    flat = torch.tensor([token for target in targets for token in target], dtype=torch.long)
    sizes = torch.tensor([len(target) for target in targets])
    moved = log_probs.transpose(0, 1)
    return ctc_loss(moved, flat.to(log_probs.device), lengths.cpu(), sizes, reduction="none")


def frames_needed(target: Sequence[int]) -> int:
    """The fewest frames that CTC can put `target` in: its tokens, and a blank between equal neighbours."""
    return len(target) + sum(left == right for left, right in itertools.pairwise(target))


class Ctc:
    """CTC in nats per token; validated by the errors of the best path."""

    views = 1

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.metric = best_path_metric(tokens)

    def loss(self, outputs: Outputs) -> tuple[Tensor, dict[str, float]]:
        return ctc_losses(outputs.log_probs, outputs.lengths, outputs.targets).sum() / outputs.tokens, {}

    def validate(self, log_probs: LogProbs, dev: Items, device: torch.device) -> dict[str, float]:
        return best_path_figures(log_probs, dev, self.tokens)


class CtcFirst:
    """CTC alone in the first `epochs`, which succeeds sooner from random weights; then another criterion."""

    def __init__(self, ctc: Ctc, then: Criterion, epochs: int) -> None:
        self._ctc, self._then, self._epochs = ctc, then, epochs
        self.metric, self.views = then.metric, then.views

    def loss(self, outputs: Outputs) -> tuple[Tensor, dict[str, float]]:
        criterion = self._ctc if outputs.epoch < self._epochs else self._then
        return criterion.loss(outputs)

    def validate(self, log_probs: LogProbs, dev: Items, device: torch.device) -> dict[str, float]:
        return self._then.validate(log_probs, dev, device)
