"""Streams: a recording that arrives in pieces, through a model that reads both ways.

Features are computed as samples arrive. The network reads windows of them: a piece with some context on either side,
of which the piece's outputs are returned; the right context is the delay. Features are normalised by the statistics of
what was heard so far, at most the last 20 s, up to the end of the window. What is returned does not depend on the
sizes of the blocks that are pushed, and a recording shorter than a piece and its right context gives the same as
offline.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.audio.features_numpy import FeatureStream, NumpyFeatures, frame_levels, normalize
from asr.audio.read import Samples
from asr.errors import ConfigError

EDGE_SECONDS = 0.06  # at the end of a window whose outputs are no good guess: the network takes it for the end of all
STATISTICS_SECONDS = 20.0  # of features before the end of a window that normalisation counts

Floats = NDArray[np.float32]
# Of a batch of windows: features (batch, frames, dim) to log-probabilities (batch, output frames, tokens).
Network = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Chunks:
    """How a stream is cut into windows, in seconds: longer ones are nearer to offline, shorter ones sooner.

    Word errors of the shipped model on 60 and 140 utterances, offline 4.69% and 15.72%: with (4, 4, 1) 5.04 and 16.30,
    with (2, 3, 1) 5.30 and 16.5 to 17.0, with (1, 3, 1) 5.65 and 17.0.
    """

    piece: float = 2.0
    left: float = 3.0
    right: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.piece < math.inf and 0 <= self.left < math.inf and 0 <= self.right < math.inf):
            raise ConfigError("a stream's piece must be longer than 0 s, its contexts 0 s or more.")


DEFAULT_CHUNKS = Chunks()


class ChunkedStream:
    """One recording on its way through a network: implements `BackendStream`."""

    def __init__(
        self, features: NumpyFeatures, network: Network, subsampling: int, num_tokens: int, chunks: Chunks
    ) -> None:
        """subsampling: feature frames per output frame. Raises ConfigError for features that cannot be streamed."""
        self._config, self._network = features.config, network
        self._stream: FeatureStream | None = FeatureStream(features)
        self._subsampling, self._num_tokens = subsampling, num_tokens

        def frames(seconds: float) -> int:  # whole output frames, so that windows are aligned with them
            return subsampling * round(seconds * 1000 / features.config.frame_shift_ms / subsampling)

        self._piece, self._left = max(subsampling, frames(chunks.piece)), frames(chunks.left)
        self._right = frames(chunks.right)
        self._edge = frames(EDGE_SECONDS) // subsampling
        self._memory = max(frames(STATISTICS_SECONDS), self._left + self._piece + self._right)
        self._waiting: list[Samples] = []  # whose features are computed when a window can be completed
        self._missing = 0  # samples until then
        self._frames = np.zeros((0, features.config.dim), np.float32)  # before normalisation, the latest of them
        self._levels = np.zeros(0, np.float32)  # of those frames, where they are asked for
        self._done = 0  # rows of _frames whose outputs were returned
        self._ahead = self._no_outputs()
        self._await()

    @property
    def ahead(self) -> Floats:
        """Log-probabilities (frames, tokens) of the right context of the piece returned last, by a first guess.

        They have little or no right context themselves; the next pieces bring better ones.
        """
        return self._ahead

    @property
    def missing(self) -> int:
        """How many samples complete the next piece and its right context."""
        self._open_stream()
        return self._missing

    def push(self, samples: Samples) -> Floats:
        """Log-probabilities (frames, tokens) of the pieces that the next samples (time,) complete."""
        stream, outputs = self._open_stream(), [self._no_outputs()]
        while len(samples) >= self._missing:
            self._add(stream.push(self._arrived(samples[: self._missing])))
            samples = samples[self._missing :]
            window_end = self._done + self._piece + self._right
            if len(self._frames) >= window_end:
                outputs.append(self._read(self._done + self._piece, window_end))
            self._await()
        self._waiting.append(samples)
        self._missing -= len(samples)
        return np.concatenate(outputs)

    def finish(self) -> Floats:
        """Log-probabilities (frames, tokens) of all that is left; the stream is then at its end."""
        stream = self._open_stream()
        self._add(stream.push(self._arrived(np.zeros(0, np.float32))))
        self._add(stream.finish())
        self._stream = None
        if self._done >= len(self._frames):
            return self._no_outputs()
        return self._read(len(self._frames), len(self._frames))

    def _await(self) -> None:
        """Set how many more samples complete the next window, at least one."""
        frames = self._done + self._piece + self._right - len(self._frames)
        self._missing = max(1, self._open_stream().missing(frames))

    def _arrived(self, samples: Samples) -> Samples:
        """All samples whose features were not computed yet, these the last of them."""
        joined = np.concatenate([*self._waiting, samples])
        self._waiting = []
        return joined

    def _open_stream(self) -> FeatureStream:
        if self._stream is None:
            raise RuntimeError("the stream is at its end; open a new one.")
        return self._stream

    def _add(self, frames: Floats) -> None:
        self._frames = np.concatenate([self._frames, frames])
        if self._config.normalize == "speech":
            self._levels = np.concatenate([self._levels, frame_levels(frames)])

    def _no_outputs(self) -> Floats:
        return np.zeros((0, self._num_tokens), np.float32)

    def _read(self, end: int, window_end: int) -> Floats:
        """Outputs of the frames from the last ones returned to `end`, in a window that ends at `window_end`."""
        first = max(0, window_end - self._memory)
        start = max(0, self._done - self._left)
        if self._config.normalize == "running":  # its statistics are those of the frames before each
            window = normalize(self._frames[first:window_end], self._config)[start - first :]
        else:
            counted, levels = self._frames[first:window_end], self._levels[first:window_end]
            window = normalize(self._frames[start:window_end], self._config, counted, levels)
        outputs: Floats = self._network(window[None])[0]
        skipped, last = (self._done - start) // self._subsampling, -(-(end - start) // self._subsampling)
        kept = max(0, (end - self._memory) // self._subsampling * self._subsampling)
        self._frames, self._levels, self._done = self._frames[kept:], self._levels[kept:], end - kept
        self._ahead = outputs[last : max(last, len(outputs) - self._edge)]
        return outputs[skipped:last]
