"""Acoustic models run by torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.acoustic.checkpoint import load_checkpoint
from asr.acoustic.inference import batch_log_probs, feature_log_probs
from asr.audio.features_numpy import NumpyFeatures
from asr.audio.read import Samples
from asr.backends.base import LogProbs
from asr.backends.stream import DEFAULT_CHUNKS, ChunkedStream, Chunks, Network
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
        with self._limited():
            return batch_log_probs(self.model, pieces, self.device)

    def window_log_probs(self, windows: NDArray[np.float32]) -> LogProbs:
        """Log-probabilities (batch, output frames, tokens) of windows: features (batch, frames, dim)."""
        with self._limited():
            return feature_log_probs(self.model, windows, self.device)

    def open_stream(self, chunks: Chunks = DEFAULT_CHUNKS, network: Network | None = None) -> ChunkedStream:
        """A new recording that arrives in pieces. Raises ConfigError for a model that cannot read one.

        network: reads its windows in place of `window_log_probs`.
        """
        features, tokens = NumpyFeatures(self.package.features), len(self.package.tokens)
        return ChunkedStream(features, network or self.window_log_probs, self.package.subsampling, tokens, chunks)

    def _limited(self) -> AbstractContextManager[object]:
        """A context in which torch computes with this backend's number of threads."""
        return torch_threads(self._threads) if self._threads else nullcontext()
