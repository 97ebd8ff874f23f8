"""Attribution of a score to its inputs: integrated gradients (Sundararajan, Taly & Yan 2017)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STEPS = 64
AT_ONCE = 16  # points of the path in one batch


def integrated_gradients(
    score: Callable[[Tensor], Tensor], inputs: Tensor, baseline: Tensor | None = None, steps: int = STEPS
) -> Tensor:
    """The contribution of each value of `inputs` to the score, relative to `baseline` (zeros if None): the same shape.

    score: maps a batch of points (points, *inputs.shape) to their scores (points,), each from its own point alone. The
    straight path from `baseline` is integrated by the midpoint rule in `steps` steps; the values sum to the difference
    of the two scores, up to the error of the rule. Equals captum's IntegratedGradients with method "riemann_middle".
    """
    start = torch.zeros_like(inputs) if baseline is None else baseline
    total = torch.zeros_like(inputs)
    places = (torch.arange(steps, dtype=inputs.dtype, device=inputs.device) + 0.5) / steps
    for chunk in torch.split(places, AT_ONCE):
        path = start + chunk.view(-1, *[1] * inputs.dim()) * (inputs - start)
        path.requires_grad_()
        (gradients,) = torch.autograd.grad(score(path).sum(), path)
        total += gradients.sum(dim=0)
    return total / steps * (inputs - start)
