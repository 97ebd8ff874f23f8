"""What runs an acoustic model, whatever computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import Samples
from asr.model_package import ModelPackage


class Backend(Protocol):
    """An acoustic model that is ready to run. Safe to use from several threads at once."""

    @property
    def package(self) -> ModelPackage:
        """The model folder it runs."""
        ...

    @property
    def sample_rate(self) -> int:
        """Samples per second that `log_probs` expects, in Hz."""
        ...

    @property
    def seconds_per_frame(self) -> float:
        """Seconds between two frames of log-probabilities."""
        ...

    def log_probs(self, pieces: Sequence[Samples]) -> list[NDArray[np.float32]]:
        """Log-probabilities (frames, tokens) of each piece of samples (time,)."""
        ...
