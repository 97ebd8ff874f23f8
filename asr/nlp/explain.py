"""Which words decided."""

from __future__ import annotations

import torch
from torch import Tensor

from asr.nlp.model import TextClassifier
from asr.nn.integrated_gradients import STEPS, integrated_gradients


def attributions(model: TextClassifier, words: list[int], number: int, steps: int = STEPS) -> list[float]:
    """What each word adds to the score of class `number`, against a text of padding; they sum to the difference.

    By integrated gradients from the zero vectors of padding to the words' vectors.
    """
    model.eval()
    with torch.no_grad():
        embedded = model.embedding(torch.tensor([words]))[0]

    def score(path: Tensor) -> Tensor:
        return model.classify(path, torch.full((len(path),), len(words)))[:, number]

    return [float(value) for value in integrated_gradients(score, embedded, steps=steps).sum(dim=1)]
