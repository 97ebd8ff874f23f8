"""Training a language model on running text, by truncated backpropagation through time.

The text is cut into equal streams that are read in parallel; each batch continues where the last one ended, with its
final state (Mikolov et al. 2010). That state is part of the training state, so that a resumed run stays the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.errors import TextError
from asr.lm.lstm.network import END_ID, LstmLanguageModel
from asr.lm.lstm.sentence_task import WORD_SPEED, TextConfig
from asr.train.fingerprint import fingerprint

SHORT_SHARE, SHORTEST, SPREAD = 0.05, 5, 5  # share of batches with half the steps; least steps; their deviation
VALIDATED_AT_ONCE = 256  # words


def running_ids(pieces: Iterable[Sequence[int]]) -> NDArray[np.int32]:
    """Sentences as one text, with END_ID at its beginning and after each. Raises TextError if there are none."""
    chunks = [np.array([END_ID], np.int32)] + [np.array([*words, END_ID], np.int32) for words in pieces]
    if len(chunks) == 1:
        raise TextError("the text has no lines; a language model needs sentences, one per line.")
    return np.concatenate(chunks)


@dataclass
class RunningBatch:
    """The same steps of all streams."""

    inputs: Tensor  # (streams, time)
    targets: Tensor  # (streams, time)
    first: bool  # of its epoch: it begins with zero states
    share: float  # of the usual number of steps


@dataclass
class RunningTask:
    """Training and validation of one language model on running text."""

    model: LstmLanguageModel
    train: NDArray[np.int32]
    dev: NDArray[np.int32]
    text: TextConfig
    seed: int = 1
    metric: str = "perplexity"
    speed_unit = WORD_SPEED
    states: tuple[Tensor, ...] = field(default_factory=tuple)  # carried from batch to batch

    def __post_init__(self) -> None:
        length = (len(self.train) - 1) // self.text.streams
        if length < 1:
            raise TextError(f"the text has fewer words than text.streams = {self.text.streams}; use fewer streams.")
        self._streams = self.train[: length * self.text.streams].reshape(self.text.streams, length)
        self._nexts = self.train[1 : length * self.text.streams + 1].reshape(self.text.streams, length)

    def fingerprints(self) -> dict[str, str]:
        """What tells the texts from others."""
        return {"training data": fingerprint(self.train), "validation data": fingerprint(self.dev)}

    def plan(self, epoch: int) -> list[tuple[int, int]]:
        """The first and last step of each batch in the streams."""
        random = np.random.default_rng([self.seed, epoch])
        plans, at, length = [], 0, self._streams.shape[1]
        while at < length:
            steps = self.text.steps * (0.5 if random.random() < SHORT_SHARE else 1.0)
            end = min(length, at + max(SHORTEST, int(random.normal(steps, SPREAD))))
            plans.append((at, end))
            at = end
        return plans

    def prepare(self, plan: tuple[int, int], epoch: int, device: torch.device) -> RunningBatch:
        first, last = plan
        parts = (array[:, first:last].astype(np.int64) for array in (self._streams, self._nexts))
        inputs, targets = (torch.from_numpy(part).to(device) for part in parts)
        return RunningBatch(inputs, targets, first == 0, (last - first) / self.text.steps)

    def loss(self, batch: RunningBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean negative ln P of a word in nats and the penalties, times the batch's share of the usual steps.

        That share replaces the learning rate of Merity et al., which is proportional to the length of a batch.
        """
        states = self.states if self.states and not batch.first else None
        outputs, after = self.model.outputs(batch.inputs, states=states)
        assert after is not None
        self.states = tuple(state.detach() for state in after)
        dropped = self.model.dropped(outputs)
        log_probs = self.model.log_probs(dropped.flatten(0, 1), batch.targets.flatten())
        loss = -log_probs.mean()
        figures = {"words": float(len(log_probs)), "nats": float(loss.detach()) * len(log_probs)}
        if self.text.activation_penalty:
            loss = loss + self.text.activation_penalty * dropped.square().mean()
        if self.text.change_penalty and outputs.shape[1] > 1:
            loss = loss + self.text.change_penalty * outputs.diff(dim=1).square().mean()
        return loss * batch.share, figures

    def carried(self) -> dict[str, Tensor]:
        """The final states of the last batch."""
        return {str(place): state for place, state in enumerate(self.states)}

    def carry_on(self, carried: dict[str, Tensor]) -> None:
        """Continue from what `carried` returned."""
        device = next(self.model.parameters()).device
        self.states = tuple(carried[str(place)].to(device) for place in range(len(carried)))

    def validate(self, device: torch.device) -> dict[str, float]:
        """Perplexity of the dev text as one stream, unknown words and ends of sentences counted."""
        scores = running_log_probs(self.model, self.dev, device)
        return {"perplexity": round(math.exp(-scores.mean()), 3)}


def running_log_probs(model: LstmLanguageModel, ids: NDArray[np.int32], device: torch.device) -> NDArray[np.float64]:
    """ln P (words - 1,) of each of `ids` but the first, after all before it."""
    return np.concatenate([log_probs for _, log_probs in running_outputs(model, ids, device)])


def running_outputs(
    model: LstmLanguageModel, ids: NDArray[np.int32], device: torch.device
) -> Iterator[tuple[Tensor, NDArray[np.float64]]]:
    """The outputs (time, hidden) of each piece of a text, and ln P of the word after each (time,)."""
    states = None
    words = torch.from_numpy(ids.astype(np.int64)).to(device)
    for first in range(0, len(ids) - 1, VALIDATED_AT_ONCE):
        piece = words[first : first + VALIDATED_AT_ONCE + 1]
        hidden, states = model.hidden(piece[None, :-1], states=states)
        yield hidden[0], model.log_probs(hidden[0], piece[1:]).double().cpu().numpy()
