"""The number of threads that torch computes with, for the time of a call."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch

from asr.threads import ThreadLimit


@cache
def torch_threads(limit: int) -> ThreadLimit:
    """A context in which torch computes with `limit` threads of the CPU."""

    def read() -> list[int]:
        return [torch.get_num_threads()]

    def write(counts: Sequence[int]) -> None:
        torch.set_num_threads(counts[0])

    # OpenMP counts for each thread, and a new thread starts with what was set last.
    return ThreadLimit(read, write, limit, per_thread=True)
