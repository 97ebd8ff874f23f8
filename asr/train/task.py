"""What the training loop asks of what it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Report = Callable[[dict[str, Any]], None]  # called with an entry for each step, epoch, and at the end


class Task(Protocol):
    """What a training run trains. Everything here must depend on its arguments alone, not on earlier calls."""

    @property
    def model(self) -> nn.Module:
        """What is trained."""
        ...

    @property
    def metric(self) -> str:
        """The key of `validate` that says which weights are best; lower is better."""
        ...

    def plan(self, epoch: int) -> Sequence[Any]:
        """The batches of an epoch, in order, cheap to make."""
        ...

    def prepare(self, plan: Any, epoch: int, device: torch.device) -> Any:
        """One batch with its data; runs in another thread ahead of the training."""
        ...

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """The mean loss of a batch, and figures to sum up for the log (`seconds`: seconds of audio, shown as speed)."""
        ...

    def validate(self, device: torch.device) -> dict[str, float]:
        """Figures on the validation data, with the model in evaluation mode."""
        ...


@runtime_checkable
class Carrying(Protocol):
    """A task whose batches hand something on to the next, as running text does; it belongs to the training state."""

    def carried(self) -> dict[str, Tensor]:
        """What the last batch handed on."""
        ...

    def carry_on(self, carried: dict[str, Tensor]) -> None:
        """Go on from that."""
        ...


@runtime_checkable
class Paced(Protocol):
    """A task whose parameters learn at rates of their own."""

    def pace(self, name: str, epoch: int) -> float:
        """What the learning rate of the model's parameter `name` is multiplied by in an epoch from 0; 0 freezes it."""
        ...
