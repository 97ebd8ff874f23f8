"""The two classic tests of a recurrent network's memory, as tasks for the one training loop.

Adding (Hochreiter & Schmidhuber 1997, experiment 4, in the form of Le et al. 2015): in a sequence of numbers in 0..1
two are marked, one in each half; the target is their sum, at the end. Always answering 1 gives a mean squared error of
1/6.

Copying (Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016): ten symbols out of eight, a wait, and a mark, after which
the ten symbols must be repeated in order. Without memory the cross-entropy over all steps is 10 ln 8 / (wait + 20)
nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from asr.errors import ConfigError
from asr.nn import Recurrent
from asr.train.log import SpeedUnit

ADDING, COPYING = "adding", "copying"
SIGNS, SHOWN = 8, 10  # of the copying task: symbols, and how many of them are shown
WAIT, MARK = SIGNS, SIGNS + 1  # its other two inputs; WAIT is also the target while nothing is asked for
ADDING_BASELINE = 1 / 6
HELD_OUT = 0  # the "epoch" whose sequences validate; training uses 1 and up


def copying_baseline(between: int) -> float:
    """Cross-entropy (nats) of a model that answers at the right time but remembers nothing."""
    return SHOWN * math.log(SIGNS) / (between + 2 * SHOWN)


class MemoryNetwork(nn.Module):
    """A recurrent stack and a linear layer: at the last step (adding) or at every step (copying)."""

    def __init__(self, kind: str, task: str, hidden_size: int) -> None:
        super().__init__()
        inputs, outputs = (2, 1) if task == ADDING else (SIGNS + 2, SIGNS + 1)
        self.task = task
        self.recurrent = Recurrent(kind, inputs, hidden_size)
        self.output = nn.Linear(self.recurrent.output_size, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden, _ = self.recurrent(inputs, return_states=False)
        outputs: Tensor = self.output(hidden[:, -1] if self.task == ADDING else hidden)
        return outputs


@dataclass
class MemoryTask:
    """One of the two tests; every epoch draws new sequences, which depend on `seed` and the epoch alone."""

    kind: str
    task: str
    length: int = 100  # of the sequence (adding), or of the wait (copying)
    hidden_size: int = 64
    batch: int = 32
    steps: int = 100  # batches of an epoch
    held_out: int = 512  # sequences that validate
    seed: int = 1
    metric: str = "held_out"
    speed_unit = SpeedUnit("sequences", "sequences_per_second", "sequences a second")
    model: MemoryNetwork = field(init=False)

    def __post_init__(self) -> None:
        if self.task not in (ADDING, COPYING):
            raise ConfigError(f"the test is adding or copying, not '{self.task}'.")
        if self.length < 2:
            raise ConfigError("the length must be at least 2 steps.")
        torch.manual_seed(self.seed)
        try:
            self.model = MemoryNetwork(self.kind, self.task, self.hidden_size)
        except ValueError as error:
            raise ConfigError(f"{error}.") from None

    def plan(self, epoch: int) -> list[int]:
        return list(range(self.steps))

    def prepare(self, plan: int, epoch: int, device: torch.device) -> tuple[Tensor, Tensor]:
        inputs, targets = self.draw(self.batch, epoch + 1, plan)
        return inputs.to(device), targets.to(device)

    def draw(self, number: int, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """Sequences (number, time, inputs) and their targets: sums (number,), or symbols (number, time)."""
        random = np.random.default_rng([self.seed, epoch, step])
        if self.task == ADDING:
            values = random.random((number, self.length))
            marks = np.zeros_like(values)
            half = self.length // 2
            rows = np.arange(number)
            places = np.stack([random.integers(half, size=number), random.integers(half, self.length, number)])
            marks[rows, places[0]] = marks[rows, places[1]] = 1.0
            sums = (values * marks).sum(axis=1)
            return torch.from_numpy(np.stack([values, marks], axis=2)).float(), torch.from_numpy(sums).float()
        time = self.length + 2 * SHOWN
        signs = random.integers(SIGNS, size=(number, SHOWN))
        inputs = np.full((number, time), WAIT)
        inputs[:, :SHOWN] = signs
        inputs[:, SHOWN + self.length - 1] = MARK
        targets = np.full((number, time), WAIT)
        targets[:, -SHOWN:] = signs
        return torch.eye(SIGNS + 2)[torch.from_numpy(inputs)], torch.from_numpy(targets)

    def loss(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
        inputs, targets = batch
        outputs, counts = self.model(inputs), {"sequences": float(len(inputs))}
        if self.task == ADDING:
            return mse_loss(outputs[:, 0], targets), counts
        return cross_entropy(outputs.flatten(0, 1), targets.flatten()), counts

    def validate(self, device: torch.device) -> dict[str, float]:
        inputs, targets = self.draw(self.held_out, HELD_OUT, 0)
        return {self.metric: float(self.loss((inputs.to(device), targets.to(device)))[0].detach())}
