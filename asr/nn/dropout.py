"""Dropout with cheap masks on the CPU, where drawing them took a seventh of a training step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 256  # a mask's element is one random byte


def dropout(values: Tensor, share: float, training: bool = True) -> Tensor:
    """The values, a share of them set to zero and the others scaled so that the mean stays (Srivastava et al. 2014).

    Like `torch.nn.functional.dropout`, which draws 32 random bits for each element. On the CPU this draws one byte, so
    the share is rounded to 256ths. The bytes come from torch's generator.
    """
    if not training or share <= 0.0:
        return values
    least = round(share * LEVELS)
    if values.device.type != "cpu" or least >= LEVELS:
        return functional.dropout(values, share)
    words = torch.empty((values.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)  # all 64 bits
    mask = words.view(torch.uint8)[: values.numel()].view(values.shape) >= least
    return values * (mask.to(values.dtype) * (LEVELS / (LEVELS - least)))


class Dropout(nn.Module):
    """`dropout` in training; the values themselves in evaluation."""

    def __init__(self, share: float) -> None:
        super().__init__()
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"the share of dropout must lie between 0 and 1, not {share}")
        self.share = share

    def forward(self, values: Tensor) -> Tensor:
        return dropout(values, self.share, self.training)

    def extra_repr(self) -> str:
        return f"{self.share}"
