"""How far gradients reach back through a recurrent network (the vanishing gradient)."""

from __future__ import annotations

import torch
from torch import Tensor

from asr.nn import Recurrent


def gradient_reach(kind: str, steps: int = 100, hidden_size: int = 64, batch: int = 32, seed: int = 1) -> Tensor:
    """How strongly the last output depends on the input `distance` steps before it: (steps,), 1 at distance 0.

    The norm of the gradient of a random projection of the last output with respect to each input, averaged over a batch
    of random sequences, for an untrained network (Hochreiter 1991; Bengio et al. 1994).
    Raises ValueError for an unknown kind.
    """
    torch.manual_seed(seed)
    stack = Recurrent(kind, hidden_size, hidden_size)
    inputs = torch.randn(batch, steps, hidden_size, requires_grad=True)
    outputs, _ = stack(inputs, return_states=False)
    projected = (outputs[:, -1] @ torch.randn(outputs.shape[2])).sum()
    (gradients,) = torch.autograd.grad(projected, inputs)
    norms: Tensor = gradients.norm(dim=2).mean(dim=0).flip(0)
    return norms / norms[0]
