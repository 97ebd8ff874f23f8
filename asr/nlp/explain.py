"""Which words decided: integrated gradients (Sundararajan, Taly & Yan 2017)."""

from __future__ import annotations

import torch

from asr.nlp.model import TextClassifier

STEPS = 64


def attributions(model: TextClassifier, words: list[int], number: int, steps: int = STEPS) -> list[float]:
    """What each word adds to the score of class `number`, against a text of padding; they sum to the difference.

    The path from the zero vectors of padding to the words is integrated by the midpoint rule in `steps` steps.
    """
    model.eval()
    with torch.no_grad():
        embedded = model.embedding(torch.tensor([words]))
    places = (torch.arange(steps, dtype=embedded.dtype) + 0.5) / steps
    path = (places[:, None, None] * embedded).requires_grad_()
    scores = model.classify(path, torch.full((steps,), len(words)))[:, number].sum()
    (gradients,) = torch.autograd.grad(scores, path)
    return [float(value) for value in (gradients.mean(dim=0) * embedded[0]).sum(dim=1)]
