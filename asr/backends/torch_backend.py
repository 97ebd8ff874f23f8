"""The acoustic model run by torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.acoustic.checkpoint import load_checkpoint
from asr.acoustic.inference import batch_log_probs
from asr.audio.read import SAMPLE_RATE, Samples, resample
from asr.model_package import ModelPackage
from asr.nn.torch_threads import torch_threads
from asr.train.config import choose_device


class TorchBackend:
    """A model folder's network, run by torch. Safe to use from several threads at once."""

    def __init__(self, folder: Path, device: str = "auto", threads: int = 0) -> None:
        self.device, self._threads = choose_device(device), threads
        self.package = ModelPackage.open(folder)
        self.model = load_checkpoint(folder).model.to(self.device)
        self.seconds_per_frame = self.package.seconds_per_frame
        self.sample_rate = self.package.sample_rate

    def log_probs(self, pieces: Sequence[Samples]) -> list[NDArray[np.float32]]:
        """Log-probabilities (frames, tokens) of pieces of 16 kHz samples."""
        if self.sample_rate != SAMPLE_RATE:
            pieces = [resample(piece, SAMPLE_RATE, self.sample_rate) for piece in pieces]
        with torch_threads(self._threads) if self._threads else nullcontext():
            return batch_log_probs(self.model, pieces, self.device)
