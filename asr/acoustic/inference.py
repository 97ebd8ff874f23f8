"""Samples to log-probabilities with a trained acoustic model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from asr.acoustic.network import AcousticModel
from asr.audio.read import Samples


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
