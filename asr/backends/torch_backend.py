"""Acoustic models run by torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from asr.acoustic.checkpoint import load_checkpoint
from asr.acoustic.inference import batch_log_probs, feature_log_probs
from asr.audio.features_numpy import NumpyFeatures
from asr.audio.read import Samples
from asr.backends.base import LogProbs
from asr.backends.stream import DEFAULT_CHUNKS, ChunkedStream, Chunks
from asr.device import choose_device


class TorchBackend:
    """A model folder run by torch, on the CPU or a GPU."""

    def __init__(self, folder: str | Path, device: str = "auto", threads: int = 0) -> None:
        """Raises CheckpointError or ConfigError."""
        if threads:
            torch.set_num_threads(threads)
        self.device = choose_device(device)
        checkpoint = load_checkpoint(folder)
        self.package = checkpoint.package
        self.model = checkpoint.model.to(self.device)
        self.sample_rate = self.package.sample_rate
        self.seconds_per_frame = self.package.seconds_per_frame

    def log_probs(self, pieces: Sequence[Samples]) -> list[LogProbs]:
        """Log-probabilities (frames, tokens) of each piece of samples, computed in one padded batch."""
        return batch_log_probs(self.model, pieces, self.device)

    def open_stream(self, chunks: Chunks = DEFAULT_CHUNKS) -> ChunkedStream:
        """A new recording that arrives in pieces. Raises ConfigError for a model that cannot read one."""
        features = NumpyFeatures(self.package.features)
        return ChunkedStream(features, self._network, self.package.subsampling, len(self.package.tokens), chunks)

    def _network(self, features: LogProbs) -> LogProbs:
        return feature_log_probs(self.model, features, self.device)
