"""The interface of criteria."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.data.manifest import Utterance

Items = Sequence[tuple[Utterance, list[int]]]  # utterances with the token ids of their texts
LogProbs = Mapping[str, NDArray[np.float32]]  # (frames, tokens) by utterance id


@dataclass(frozen=True)
class Outputs:
    """A model's outputs for a batch, and what they should have been.

    The rows are the utterances; with several views of them, all utterances of the first view, then of the second.
    """

    log_probs: Tensor  # (rows, frames, tokens), natural logs
    lengths: Tensor  # (rows,) in frames, on the CPU
    targets: list[list[int]]  # token ids of each row, which fit its frames
    words: list[list[str]]  # of each utterance
    epoch: int  # from 0

    @property
    def tokens(self) -> int:
        """Tokens of all rows together, at least 1."""
        return max(1, sum(map(len, self.targets)))


class Criterion(Protocol):
    """A loss, and how it judges a model on validation data."""

    @property
    def metric(self) -> str:
        """The figure of `validate` that says which weights are best; lower is better."""
        ...

    @property
    def views(self) -> int:
        """How often an utterance is read in one step."""
        ...

    def loss(self, outputs: Outputs) -> tuple[Tensor, dict[str, float]]:
        """The mean loss of a batch, a scalar with its gradient; and figures for the log."""
        ...

    def validate(self, log_probs: LogProbs, dev: Items, device: torch.device) -> dict[str, float]:
        """Figures of validation utterances; those without log-probabilities count as empty hypotheses."""
        ...
