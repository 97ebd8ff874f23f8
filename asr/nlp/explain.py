"""Attribution of a text's class to its words."""

from __future__ import annotations

import torch
from torch import Tensor

from asr.nlp.model import TextClassifier
from asr.nn.integrated_gradients import STEPS, integrated_gradients


def attributions(model: TextClassifier, words: list[int], number: int, steps: int = STEPS) -> list[float]:
    """The contribution of each word to the score of class `number`, relative to a text of padding.

    By integrated gradients from the zero vectors of padding to the vectors of the words; the contributions sum to the
    difference of the two scores.
    """
    model.eval()
    with torch.no_grad():
        embedded = model.embedding(torch.tensor([words]))[0]

    def score(path: Tensor) -> Tensor:
        return model.classify(path, torch.full((len(path),), len(words)))[:, number]

    return [float(value) for value in integrated_gradients(score, embedded, steps=steps).sum(dim=1)]
