"""Consistency of two views of each utterance (Yao et al. 2024, CR-CTC)."""

from __future__ import annotations

import torch
from torch import Tensor

from asr.acoustic.criteria.base import Criterion, Items, LogProbs, Outputs
from asr.nn.lengths import inside


def disagreement(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Divergence of each half of the rows (2 * batch, frames, tokens) from the other, in nats, summed over frames.

    sum over t of KL(other_t || own_t), where no gradient goes into the other (Yao et al. 2024, eq. 5).
    """
    first, second = log_probs.chunk(2)
    others = torch.cat([second, first]).detach()
    each = (others.exp() * (others - log_probs)).sum(dim=2)
    return each.masked_fill(~inside(lengths.to(each.device), each.shape[1]), 0.0).sum()


class Consistency:
    """Another criterion on two views of each utterance, and `weight` times their disagreement per token."""

    views = 2

    def __init__(self, criterion: Criterion, weight: float) -> None:
        self._criterion, self._weight = criterion, weight
        self.metric = criterion.metric

    def loss(self, outputs: Outputs) -> tuple[Tensor, dict[str, float]]:
        loss, figures = self._criterion.loss(outputs)
        apart = disagreement(outputs.log_probs, outputs.lengths) / outputs.tokens
        return loss + self._weight * apart, {"disagreement": float(apart.detach())} | figures

    def validate(self, log_probs: LogProbs, dev: Items, device: torch.device) -> dict[str, float]:
        return self._criterion.validate(log_probs, dev, device)
