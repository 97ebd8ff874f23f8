"""The acoustic model run by torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asr.acoustic.checkpoint import load_checkpoint
from asr.acoustic.inference import batch_log_probs
from asr.audio.read import SAMPLE_RATE, Samples, resample
from asr.train.config import choose_device


class TorchBackend:
    """Loads a model folder and computes log-probabilities."""

    def __init__(self, folder: Path, device: str = "auto", threads: int = 0) -> None:
        if threads:
            torch.set_num_threads(threads)
        self.device = choose_device(device)
        self.checkpoint = load_checkpoint(folder)
        self.model = self.checkpoint.model.to(self.device)
        self.seconds_per_frame = self.model.config.seconds_per_frame
        self.sample_rate = self.model.config.features.sample_rate

    def log_probs(self, pieces: list[Samples]) -> list[NDArray[np.float32]]:
        """Log-probabilities (frames, tokens) of pieces of 16 kHz samples."""
        if self.sample_rate != SAMPLE_RATE:
            pieces = [resample(piece, SAMPLE_RATE, self.sample_rate) for piece in pieces]
        return batch_log_probs(self.model, pieces, self.device)
