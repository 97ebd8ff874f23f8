"""Sequences of different lengths in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def inside(lengths: Tensor, time: int) -> Tensor:
    """A mask (batch, time) that is true at the steps within each of `lengths` (batch,)."""
    return torch.arange(time, device=lengths.device)[None, :] < lengths[:, None]


def without_padding(hidden: Tensor, lengths: Tensor) -> Tensor:
    """`hidden` (batch, time, size) with zeros beyond each of `lengths` (batch,)."""
    return hidden * inside(lengths.to(hidden.device), hidden.shape[1])[:, :, None].to(hidden.dtype)


def padded(sequences: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """A batch (batch, time, …) of sequences (time, …), filled up with zeros, and their lengths (batch,)."""
    tensors = [torch.as_tensor(sequence) for sequence in sequences]
    lengths = torch.tensor([len(tensor) for tensor in tensors], dtype=torch.long)
    return pad_sequence(tensors, batch_first=True), lengths
