"""Samples to log-probabilities with a trained acoustic model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.audio.read import Samples


class SampleModel(Protocol):
    """A neural network or Gaussian mixtures."""

    def __call__(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features (batch, frames, dim) and lengths (batch,) to log-probabilities and their lengths."""
        ...

    def log_probs(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Samples (batch, time) and lengths (batch,) to log-probabilities (batch, frames, tokens) and their lengths."""
        ...


def pad_samples(pieces: Sequence[Samples]) -> tuple[Tensor, Tensor]:
    """Samples (batch, time), zero-padded, and their lengths (batch,)."""
    lengths = torch.tensor([len(piece) for piece in pieces], dtype=torch.long)
    padded = torch.zeros(len(pieces), int(lengths.max()) if len(pieces) else 0)
    for row, piece in enumerate(pieces):
        padded[row, : len(piece)] = torch.from_numpy(np.ascontiguousarray(piece))
    return padded, lengths


def batch_log_probs(model: SampleModel, pieces: Sequence[Samples], device: torch.device) -> list[NDArray[np.float32]]:
    """Log-probabilities (frames, tokens) of each piece of samples, computed in one padded batch."""
    if not pieces:
        return []
    with torch.inference_mode():
        samples, lengths = pad_samples(pieces)
        log_probs, output_lengths = model.log_probs(samples.to(device), lengths.to(device))
        rows = log_probs.cpu().numpy()
    return [row[:length] for row, length in zip(rows, output_lengths.tolist(), strict=True)]


def feature_log_probs(model: SampleModel, features: NDArray[np.float32], device: torch.device) -> NDArray[np.float32]:
    """Log-probabilities (batch, output frames, tokens) of features (batch, frames, dim), at least one frame."""
    with torch.inference_mode():
        batch = torch.from_numpy(np.ascontiguousarray(features)).to(device)
        log_probs, _ = model(batch, torch.full((len(features),), features.shape[1], device=device))
        return np.asarray(log_probs.cpu().numpy())
