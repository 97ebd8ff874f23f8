"""What the training loop asks of what it trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from asr.train.log import SpeedUnit


class Task(Protocol):
    """What a training run trains. Everything here must depend on its arguments alone, not on earlier calls.

    Plans and batches are the task's own: the loop only hands them on.
    """

    @property
    def model(self) -> nn.Module:
        """The network to train."""
        ...

    @property
    def metric(self) -> str:
        """The key of `validate` that says which weights are best; lower is better."""
        ...

    @property
    def speed_unit(self) -> SpeedUnit | None:
        """How the speed of training is measured, or None."""
        ...

    def plan(self, epoch: int) -> Sequence[Any]:
        """The batches of an epoch, in order, cheap to make."""
        ...

    def prepare(self, plan: Any, epoch: int, device: torch.device) -> Any:
        """One batch with its data; may run in another thread, ahead of the training."""
        ...

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """The mean loss of a batch, and counts that are summed for the log."""
        ...

    def validate(self, device: torch.device) -> dict[str, float]:
        """Figures on the validation data; the model is in evaluation mode."""
        ...


@runtime_checkable
class Carrying(Protocol):
    """A task whose batches hand something on to the next, as running text does; it belongs to the training state."""

    def carried(self) -> dict[str, Tensor]:
        """What the last batch handed on."""
        ...

    def carry_on(self, carried: dict[str, Tensor]) -> None:
        """Continue from what `carried` returned."""
        ...


@runtime_checkable
class HasFingerprints(Protocol):
    """A task that tells its data from others: a run that goes on with others would end in the weights of neither."""

    def fingerprints(self) -> dict[str, str]:
        """The fingerprint (`fingerprint`) of each set of data by its name in a message, such as "training data"."""
        ...


@runtime_checkable
class HasRateFactors(Protocol):
    """A task whose parameters learn at different rates."""

    def rate_factor(self, name: str, epoch: int) -> float:
        """The factor of the learning rate of the parameter `name` in an epoch (from 0); 0 freezes it."""
        ...
