"""What a training run says of itself: after each step, after each epoch, and at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SpeedUnit:
    """How a task measures its speed: what it counts, for each second of training."""

    counted: str  # a key of the counts that `Task.loss` returns
    key: str  # of the speed in the log
    text: str  # the unit in words


AUDIO_SPEED = SpeedUnit("seconds", "audio_seconds_per_second", "s of audio a second")  # of all acoustic models


@dataclass(frozen=True)
class Speed:
    """A speed of training with its unit."""

    value: float
    unit: SpeedUnit

    def __str__(self) -> str:
        return f"{self.value:,.{0 if self.value >= 1000 else 1}f} {self.unit.text}"


@dataclass(frozen=True)
class StepLog:
    """One step of the optimiser."""

    step: int  # from 1, over all epochs
    total: int
    epoch: int  # from 1
    loss: float
    speed: Speed | None = None


@dataclass(frozen=True)
class EpochLog:
    """One epoch."""

    epoch: int  # from 1
    step: int
    loss: float  # mean over the epoch's steps
    gradient_norm: float = 0.0  # mean over the epoch's steps, before clipping
    counts: Mapping[str, float] = field(default_factory=dict)  # what the task counted, summed over the epoch
    speed: Speed | None = None
    figures: Mapping[str, float] = field(default_factory=dict)  # of the validation; empty where there was none

    def to_dict(self) -> dict[str, Any]:
        """The entry of the log file."""
        speed = {} if self.speed is None else {self.speed.unit.key: round(self.speed.value, 1)}
        return {
            "kind": "epoch", "epoch": self.epoch, "step": self.step, "loss": self.loss,
            "gradient_norm": self.gradient_norm, **{key: round(value, 3) for key, value in self.counts.items()},
            **speed, **self.figures,
        }  # fmt: skip


@dataclass(frozen=True)
class FinalLog:
    """The end of a run."""

    step: int
    weights: str  # which ones the model has now, in words
    figures: Mapping[str, float]  # of their validation

    def to_dict(self) -> dict[str, Any]:
        """The entry of the log file."""
        return {"kind": "final", "step": self.step, "weights": self.weights, **self.figures}


@dataclass(frozen=True)
class Validation:
    """The figures of one validation, as the training state stores them."""

    epoch: int  # from 1
    figures: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"epoch": self.epoch, "figures": dict(self.figures)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Validation:
        """What `to_dict` wrote, or an epoch's whole entry, as states of the first edition hold it."""
        if "figures" in values:
            return cls(values["epoch"], values["figures"])
        return cls(values["epoch"], {key: value for key, value in values.items() if isinstance(value, float | int)})


Report = Callable[[StepLog | EpochLog | FinalLog], None]
"""Called after each step and epoch, and at the end."""
