"""Averages of weights: over epochs, and over all steps from a given one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class RunningMean:
    """The mean of a model's floating-point weights over steps (Polyak & Juditsky 1992); other values are the last."""

    tensors: dict[str, Tensor]
    steps: int = 1

    @classmethod
    def of(cls, model: nn.Module) -> RunningMean:
        """A mean over one step: the weights as they are."""
        return cls({name: value.detach().clone() for name, value in model.state_dict().items()})

    def add(self, model: nn.Module) -> None:
        """Add the weights of one more step."""
        self.steps += 1
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.tensors[name].lerp_(value.detach(), 1 / self.steps)
            else:
                self.tensors[name].copy_(value)

    def to(self, device: torch.device) -> RunningMean:
        """A copy on another device."""
        return RunningMean({name: value.to(device) for name, value in self.tensors.items()}, self.steps)


def average_tensors(states: Sequence[dict[str, Tensor]], weights: Sequence[float] = ()) -> dict[str, Tensor]:
    """The mean of several state dictionaries with the same keys and shapes; weights: of each, that sum to 1."""
    shares = torch.tensor(list(weights) or [1 / len(states)] * len(states), dtype=torch.float64)
    return {
        name: torch.tensordot(shares, torch.stack([state[name].double() for state in states]), 1).to(value.dtype)
        for name, value in states[0].items()
    }
