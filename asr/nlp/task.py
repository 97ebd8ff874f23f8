"""Training of text classifiers, as a task for the one training loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from asr.errors import ConfigError
from asr.nlp.model import TextClassifier
from asr.nn.lengths import padded
from asr.nn.recurrent import layer_of
from asr.train.fingerprint import fingerprint
from asr.train.log import SpeedUnit

LENGTH_NOISE = 0.1  # relative jitter added to lengths before sorting, so that batches differ from epoch to epoch


@dataclass(frozen=True)
class BatchConfig:
    """How texts are grouped."""

    texts: int = 32  # in a batch
    max_words: int = 400  # of a text; of a longer one the beginning and the end are used


@dataclass(frozen=True)
class FineTuneConfig:
    """How a classifier that starts from a language model learns (Howard & Ruder 2018, ULMFiT)."""

    layer_decay: float = 2.6  # factor by which each lower layer learns more slowly; 1: all learn at one rate
    unfreeze: bool = True  # train only the classifier in the first epoch, and one more layer in each later one

    def __post_init__(self) -> None:
        if self.layer_decay < 1:
            raise ConfigError("fine_tune.layer_decay must be at least 1.")


@dataclass
class ClassifierTask:
    """Training and validation of one classifier; texts are lists of word ids.

    fine_tune: how fast the layers learn, for a model that starts from a language model.
    """

    model: TextClassifier
    train: list[list[int]]
    train_labels: NDArray[np.int64]
    dev: list[list[int]]
    dev_labels: NDArray[np.int64]
    batches: BatchConfig
    seed: int = 1
    metric: str = "error"
    fine_tune: FineTuneConfig | None = None
    speed_unit = SpeedUnit("texts", "texts_per_second", "texts a second")

    def rate_factor(self, name: str, epoch: int) -> float:
        """The factor of a parameter's learning rate in an epoch."""
        if self.fine_tune is None:
            return 1.0
        depth = _depth(name, self.model.config.num_layers)
        frozen = self.fine_tune.unfreeze and epoch < depth
        return 0.0 if frozen else self.fine_tune.layer_decay**-depth

    def fingerprints(self) -> dict[str, str]:
        """What tells the texts and their labels from others."""
        return {
            "training data": fingerprint(self.train, self.train_labels),
            "validation data": fingerprint(self.dev, self.dev_labels),
        }

    def plan(self, epoch: int) -> list[NDArray[np.int64]]:
        """Batches of indices; texts of similar length go together."""
        random = np.random.default_rng([self.seed, epoch])
        lengths = np.array([len(words) for words in self.train], float)
        order = np.argsort(lengths * random.uniform(1 - LENGTH_NOISE, 1 + LENGTH_NOISE, len(lengths)), kind="stable")
        groups = [order[start : start + self.batches.texts] for start in range(0, len(order), self.batches.texts)]
        return [groups[place] for place in random.permutation(len(groups))]

    def prepare(self, plan: NDArray[np.int64], epoch: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        words, lengths = padded([self.train[index] for index in plan])
        return words.to(device), lengths.to(device), torch.from_numpy(self.train_labels[plan]).to(device)

    def loss(self, batch: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
        words, lengths, labels = batch
        return cross_entropy(self.model(words, lengths), labels), {"texts": float(len(labels))}

    def validate(self, device: torch.device) -> dict[str, float]:
        predicted = probabilities(self.model, self.dev, device).argmax(axis=1)
        return {"error": round(float((predicted != self.dev_labels).mean()), 5)}


def _depth(name: str, layers: int) -> int:
    """The depth of a parameter: 0 for the classifier's own, then the layers of the stack, the embeddings last."""
    part, _, rest = name.partition(".")
    if part == "embedding":
        return layers + 1
    return layers - layer_of(rest) if part == "recurrent" else 0


def probabilities(
    model: TextClassifier, texts: list[list[int]], device: torch.device | str = "cpu", batch: int = 64
) -> NDArray[np.float32]:
    """Probabilities (texts, classes), independent of the batches: padding changes no result."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    out = np.zeros((len(texts), model.output.out_features), np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            words, lengths = padded([texts[row] for row in rows])
            out[rows] = model(words.to(device), lengths.to(device)).softmax(dim=1).cpu().numpy()
    return out
