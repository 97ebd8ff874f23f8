"""Acoustic models run by torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from asr.acoustic.checkpoint import load_checkpoint
from asr.acoustic.inference import batch_log_probs
from asr.audio.read import Samples
from asr.backends.base import LogProbs
from asr.device import choose_device
from asr.nn.torch_threads import torch_threads


class TorchBackend:
    """A model folder run by torch, on the CPU or a GPU."""

    def __init__(self, folder: str | Path, device: str = "auto", threads: int = 0) -> None:
        """Raises CheckpointError or ConfigError."""
        self.device, self._threads = choose_device(device), threads
        checkpoint = load_checkpoint(folder)
        self.package = checkpoint.package
        self.model = checkpoint.model.to(self.device)
        self.sample_rate = self.package.sample_rate
        self.seconds_per_frame = self.package.seconds_per_frame

    def log_probs(self, pieces: Sequence[Samples]) -> list[LogProbs]:
        """Log-probabilities (frames, tokens) of each piece of samples, computed in one padded batch."""
        with torch_threads(self._threads) if self._threads else nullcontext():
            return batch_log_probs(self.model, pieces, self.device)
