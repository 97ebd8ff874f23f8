"""Several processes that train one model together, each on its share of every step's batches.

The variables of `torchrun` (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT) number them, so that `torchrun
--nproc-per-node N -m asr train …` works; `helpers` starts them on one machine without it. On the CPU two processes of
one thread each train faster than one of two: recurrent steps are too short to be divided among threads.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

T = TypeVar("T")

PATIENCE = timedelta(hours=2)  # of the other processes while the first one validates


def rank() -> int:
    """This process's number, from 0."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """The number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """This process's number on its machine, which is also the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def join(device: torch.device) -> None:
    """Connect to the other processes; does nothing if there are none."""
    if count() > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)


def leave() -> None:
    """Close the connections that `join` made: left open, their threads may abort this process at its end."""
    if dist.is_initialized():
        dist.destroy_process_group()


def same_start(model: nn.Module) -> None:
    """Give every process the first one's weights."""
    if count() > 1:
        for value in model.state_dict().values():
            dist.broadcast(value, 0)


def add_gradients(parameters: Sequence[nn.Parameter], figures: dict[str, float]) -> dict[str, float]:
    """The sums of `figures` over the processes, whose keys may differ; gradients are summed in place."""
    if count() == 1:
        return figures
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    for parameter, piece in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
        parameter.grad = piece.view_as(parameter)
    total: dict[str, float] = {}
    for other in gather(figures):
        for key, value in other.items():
            total[key] = total.get(key, 0.0) + value
    return total


def gather(value: T) -> list[T]:
    """Every process's value, in order of rank."""
    values = [value] * count()
    if count() > 1:
        dist.all_gather_object(values, value)
    return values


@contextmanager
def helpers(wanted: int, command: Sequence[str] | None = None) -> Iterator[None]:
    """Run this command (`asr` with its arguments, or `command`) in `wanted` processes, of which this is the first.

    Does nothing in a process that is one of several already. If a helper dies, the next exchange with it fails here; if
    this process is killed, the helpers fail in the same way, so none is left behind.
    """
    if wanted <= 1 or count() > 1:
        try:
            yield
        finally:
            leave()
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": str(wanted), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [
        subprocess.Popen(
            command or [sys.executable, "-m", "asr", *sys.argv[1:]],
            env=os.environ | shared | {"RANK": str(number), "LOCAL_RANK": str(number)},
            stdout=subprocess.DEVNULL,
        )
        for number in range(1, wanted)
    ]
    os.environ.update(shared | {"RANK": "0", "LOCAL_RANK": "0"})
    try:
        yield
        for process in started:
            process.wait()
    finally:
        leave()
        for process in started:
            process.kill()
        for name in (*shared, "RANK", "LOCAL_RANK"):
            os.environ.pop(name, None)
