"""One network for many callers: what waits at the same time goes through it as one batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import Samples
from asr.backends.base import Backend, BackendStream, LogProbs
from asr.backends.stream import DEFAULT_CHUNKS, Chunks, Network
from asr.model_package import ModelPackage

BATCH_PIECES = 16
BATCH_WINDOWS = 4  # more at once take as long for each, and make the first of them wait
BATCH_SECONDS = 160.0  # of audio with its padding
MAX_LENGTH_RATIO = 1.5  # of the longest piece of a batch to the shortest: padding costs as much as speech
HEAD_START = 1.0  # seconds that a recording's pieces wait for windows of live speech that came after them

Observer = Callable[[int, bool], None]


@dataclass
class _Waiting:
    """Samples (time,) of a recording, or a window's features (frames, dim)."""

    values: NDArray[np.float32]
    due: float  # what is due first goes first
    result: Future[LogProbs] = field(default_factory=Future)

    @property
    def is_window(self) -> bool:
        return self.values.ndim == 2


class SharedBackend:
    """A backend whose calls from several threads share batches; what a piece gives does not depend on the others.

    Each of its threads takes what waits whenever it is free, the longest waiting piece first, with others of like
    length; nobody waits for a batch to fill. Windows of live streams share batches of their own, and go before pieces
    of recordings that came up to a second earlier. Where fewer than a batch of them wait, they wait for those that are
    under way: in fours they take three quarters of the time. Implements `Backend`. Close it to end the threads.
    """

    def __init__(
        self, backend: Backend, *, passes: int = 1, batch_pieces: int = BATCH_PIECES, observe: Observer | None = None
    ) -> None:
        """passes: of the network at the same time. batch_pieces: that go through it at once, at most.

        observe: called with the size of each batch, and whether it is one of windows.
        """
        self._backend, self._batch_pieces, self._observe = backend, batch_pieces, observe
        self._waiting: list[_Waiting] = []
        self._condition = threading.Condition()
        self._closed = False
        self._free = self._reading_windows = 0  # threads that wait for work, and those at work on windows
        self._threads = [
            threading.Thread(target=self._run, name=f"asr-network-{number}", daemon=True) for number in range(passes)
        ]
        for thread in self._threads:
            thread.start()

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
        due = time.monotonic() + HEAD_START
        return self._computed([_Waiting(samples, due) for samples in pieces])

    def window_log_probs(self, windows: NDArray[np.float32]) -> LogProbs:
        """Log-probabilities (batch, output frames, tokens) of windows: features (batch, frames, dim).

        Computed with those of other streams; raises as `log_probs` does.
        """
        due = time.monotonic()
        return np.stack(self._computed([_Waiting(window, due) for window in windows]))

    def open_stream(self, chunks: Chunks = DEFAULT_CHUNKS, network: Network | None = None) -> BackendStream:
        """A new recording that arrives in pieces; its windows share batches with those of others."""
        return self._backend.open_stream(chunks, network or self.window_log_probs)

    def close(self) -> None:
        """Compute what waits, then end the threads."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        for thread in self._threads:
            thread.join()

    def _computed(self, waiting: list[_Waiting]) -> list[LogProbs]:
        with self._condition:
            if self._closed:
                raise RuntimeError("the shared backend is closed; open a new one.")
            self._waiting += waiting
            self._condition.notify(len(waiting))
        return [entry.result.result() for entry in waiting]

    def _run(self) -> None:
        while True:
            with self._condition:
                self._free += 1
                self._condition.wait_for(lambda: self._ready() or (self._closed and not self._waiting))
                self._free -= 1
                if not self._waiting:
                    return
                batch = self._take(self._ready())
                is_windows = batch[0].is_window
                self._reading_windows += is_windows
            if self._observe is not None:
                self._observe(len(batch), is_windows)
            self._compute(batch)
            with self._condition:
                self._reading_windows -= is_windows
                self._condition.notify()

    def _ready(self) -> list[_Waiting]:
        """What waits and may be begun now."""
        windows = sum(entry.is_window for entry in self._waiting)
        if self._reading_windows and windows < BATCH_WINDOWS:
            return [entry for entry in self._waiting if not entry.is_window]
        return self._waiting

    def _take(self, ready: list[_Waiting]) -> list[_Waiting]:
        """What is due first and others of nearly its length, taken from what waits."""
        first = min(ready, key=lambda entry: entry.due)
        length, alike = max(1, len(first.values)), []
        for entry in ready:
            if entry.is_window == first.is_window and (not first.is_window or len(entry.values) == length):
                alike.append(entry)
        # Threads that are free get their share of the pieces.
        most = BATCH_WINDOWS if first.is_window else min(self._batch_pieces, -(-len(alike) // (1 + self._free)))
        batch: list[_Waiting] = []
        shortest = longest = length
        for entry in sorted(alike, key=lambda entry: abs(np.log(max(1, len(entry.values)) / length))):
            shortest, longest = min(shortest, max(1, len(entry.values))), max(longest, len(entry.values))
            padded = 0.0 if first.is_window else longest * (len(batch) + 1) / self.sample_rate
            if batch and (padded > BATCH_SECONDS or longest > MAX_LENGTH_RATIO * shortest):
                break
            batch.append(entry)
            if len(batch) == most:
                break
        taken = set(map(id, batch))
        self._waiting = [entry for entry in self._waiting if id(entry) not in taken]
        return batch

    def _compute(self, batch: list[_Waiting]) -> None:
        values = [entry.values for entry in batch]
        try:
            if batch[0].is_window:
                outputs = list(self._backend.window_log_probs(np.stack(values)))
            else:
                outputs = self._backend.log_probs(values)
        except Exception as error:  # handed to the caller whose piece it is
            if len(batch) == 1:
                batch[0].result.set_exception(error)
                return
            for entry in batch:
                self._compute([entry])
            return
        for entry, output in zip(batch, outputs, strict=True):
            entry.result.set_result(output)
