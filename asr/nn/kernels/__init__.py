"""Kernels for LSTM layers that are faster than torch's, and the one switch for all of them.

`cuda_lstm` trains on a GPU (Triton; its products take 16-bit halves), `bf16_lstm` trains under autocast to bfloat16 on
the CPU. `ASR_KERNELS=off` in the environment leaves every layer to torch. So does `exact_arithmetic` for a block of
code, which also turns off TF32, torch's own shortcut: what remains on a GPU is single precision.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

VARIABLE = "ASR_KERNELS"
OFF = ("off", "0", "false", "no")

_allowed = ContextVar("kernels_allowed", default=True)


def enabled() -> bool:
    """Whether layers may run on the kernels of this package."""
    return _allowed.get() and os.environ.get(VARIABLE, "on").strip().lower() not in OFF


@contextmanager
def exact_arithmetic(wanted: bool = True) -> Iterator[None]:
    """Single precision throughout in the block, if `wanted`: torch's layers, and no TF32 on a GPU.

    TF32 is a setting of the process; it is restored at the end of the block.
    """
    if not wanted:
        yield
        return
    token = _allowed.set(False)
    backends: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = False
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.allow_tf32 = value
        _allowed.reset(token)
