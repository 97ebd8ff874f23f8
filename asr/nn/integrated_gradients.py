"""Which inputs decided: integrated gradients (Sundararajan, Taly & Yan 2017)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STEPS = 64
AT_ONCE = 16  # points of the path in one batch


def integrated_gradients(
    score: Callable[[Tensor], Tensor], inputs: Tensor, baseline: Tensor | None = None, steps: int = STEPS
) -> Tensor:
    """What each value of `inputs` adds to the score, against `baseline` (zeros if None): the same shape.

    score: of a batch (points, *inputs.shape) to (points,), each from its own point alone. The straight path from
    `baseline` is integrated by the midpoint rule in `steps` steps; the values sum to the difference of the scores, but
    for the rule's error. Equals captum's IntegratedGradients with method "riemann_middle".
    """
    start = torch.zeros_like(inputs) if baseline is None else baseline
    total = torch.zeros_like(inputs)
    places = (torch.arange(steps, dtype=inputs.dtype, device=inputs.device) + 0.5) / steps
    for some in places.split(AT_ONCE):
        path = start + some.view(-1, *[1] * inputs.dim()) * (inputs - start)
        path.requires_grad_()
        (gradients,) = torch.autograd.grad(score(path).sum(), path)
        total += gradients.sum(dim=0)
    return total / steps * (inputs - start)
