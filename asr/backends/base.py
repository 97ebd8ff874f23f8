"""The interface of backends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import Samples
from asr.backends.stream import DEFAULT_CHUNKS, Chunks, Network
from asr.model_package import ModelPackage

LogProbs = NDArray[np.float32]  # (frames, tokens), natural logs


class BackendStream(Protocol):
    """One recording on its way through an acoustic model. Not for use by several threads at once."""

    @property
    def missing(self) -> int:
        """How many samples must still come before `push` returns frames."""
        ...

    @property
    def ahead(self) -> LogProbs:
        """Log-probabilities (frames, tokens) of what was heard after the frames returned last, by a first guess."""
        ...

    def push(self, samples: Samples) -> LogProbs:
        """Log-probabilities (frames, tokens) of the next frames that can be computed; often none.

        samples: the recording's next samples (time,), of any number, at the backend's rate.
        """
        ...

    def finish(self) -> LogProbs:
        """Log-probabilities (frames, tokens) of all frames that were not returned yet; the stream is then at its end.

        A later call of `push` or `finish` raises RuntimeError.
        """
        ...


class Backend(Protocol):
    """Runs an acoustic model. Several threads may use one backend, each its own streams."""

    @property
    def package(self) -> ModelPackage:
        """The model folder."""
        ...

    @property
    def sample_rate(self) -> int:
        """Rate of all samples that the backend reads, in Hz: recordings are to be read at it."""
        ...

    @property
    def seconds_per_frame(self) -> float:
        """Duration of one frame of log-probabilities in seconds."""
        ...

    def log_probs(self, pieces: Sequence[Samples]) -> list[LogProbs]:
        """Log-probabilities (frames, tokens) of each piece of samples (time,) in [-1, 1].

        The pieces go through the network as one padded batch; what a piece gives does not depend on the others.
        """
        ...

    def window_log_probs(self, windows: NDArray[np.float32]) -> LogProbs:
        """Log-probabilities (batch, output frames, tokens) of windows of streams: features (batch, frames, dim)."""
        ...

    def open_stream(self, chunks: Chunks = DEFAULT_CHUNKS, network: Network | None = None) -> BackendStream:
        """A new recording that arrives in pieces. Raises ConfigError for a model that cannot read one.

        network: reads its windows in place of `window_log_probs`.
        """
        ...
