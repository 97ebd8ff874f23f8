"""One network for many callers: pieces that wait at the same time go through it as one batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from asr.audio.read import Samples
from asr.backends.base import Backend, BackendStream, LogProbs
from asr.backends.stream import DEFAULT_CHUNKS, Chunks
from asr.model_package import ModelPackage

BATCH_PIECES = 16
BATCH_SECONDS = 160.0  # of audio with its padding
MAX_LENGTH_RATIO = 1.5  # of the longest piece of a batch to the shortest: padding costs as much as speech

Observer = Callable[[int], None]


@dataclass
class _Waiting:
    samples: Samples
    result: Future[LogProbs] = field(default_factory=Future)


class SharedBackend:
    """A backend whose calls from several threads share batches; what a piece gives does not depend on the others.

    A thread takes what waits whenever the network is free, the longest waiting piece first, with others of like
    length; nobody waits for a batch to fill. Implements `Backend`. Close it to end the thread.
    """

    def __init__(self, backend: Backend, *, batch_pieces: int = BATCH_PIECES, observe: Observer | None = None) -> None:
        """batch_pieces: that go through the network at once, at most. observe: called with the size of each batch."""
        self._backend, self._batch_pieces, self._observe = backend, batch_pieces, observe
        self._waiting: list[_Waiting] = []
        self._condition = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="asr-network", daemon=True)
        self._thread.start()

    @property
    def package(self) -> ModelPackage:
        """The model folder."""
        return self._backend.package

    @property
    def sample_rate(self) -> int:
        """Rate of all samples that the backend reads, in Hz."""
        return self._backend.sample_rate

    @property
    def seconds_per_frame(self) -> float:
        """Duration of one frame of log-probabilities in seconds."""
        return self._backend.seconds_per_frame

    def log_probs(self, pieces: Sequence[Samples]) -> list[LogProbs]:
        """Log-probabilities (frames, tokens) of each piece of samples (time,), computed with those of other callers.

        Raises RuntimeError once the backend is closed, and what the network raises for a piece.
        """
        waiting = [_Waiting(samples) for samples in pieces]
        with self._condition:
            if self._closed:
                raise RuntimeError("the shared backend is closed; open a new one.")
            self._waiting += waiting
            self._condition.notify()
        return [entry.result.result() for entry in waiting]

    def open_stream(self, chunks: Chunks = DEFAULT_CHUNKS) -> BackendStream:
        """A new recording that arrives in pieces; it runs in the caller's thread."""
        return self._backend.open_stream(chunks)

    def close(self) -> None:
        """Compute what waits, then end the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                batch = self._take()
            if self._observe is not None:
                self._observe(len(batch))
            self._compute(batch)

    def _take(self) -> list[_Waiting]:
        """The piece that waits longest and others of nearly its length, taken from those that wait."""
        length = max(1, len(self._waiting[0].samples))
        nearest = sorted(self._waiting, key=lambda entry: abs(np.log(max(1, len(entry.samples)) / length)))
        batch: list[_Waiting] = []
        shortest = longest = length
        for entry in nearest:
            shortest, longest = min(shortest, max(1, len(entry.samples))), max(longest, len(entry.samples))
            padded = longest * (len(batch) + 1) / self.sample_rate
            if batch and (padded > BATCH_SECONDS or longest > MAX_LENGTH_RATIO * shortest):
                break
            batch.append(entry)
            if len(batch) == self._batch_pieces:
                break
        taken = set(map(id, batch))
        self._waiting = [entry for entry in self._waiting if id(entry) not in taken]
        return batch

    def _compute(self, batch: list[_Waiting]) -> None:
        try:
            outputs = self._backend.log_probs([entry.samples for entry in batch])
        except Exception as error:  # handed to the caller whose piece it is
            if len(batch) == 1:
                batch[0].result.set_exception(error)
                return
            for entry in batch:
                self._compute([entry])
            return
        for entry, output in zip(batch, outputs, strict=True):
            entry.result.set_result(output)
