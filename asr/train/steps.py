"""The steps of a run: the batches of each, and which of them this process computes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from asr.errors import AsrError
from asr.train import processes
from asr.train.task import Task

Futures = list[tuple[int, Future[Any]]]
MOST_WORKERS = 8  # threads that prepare batches for a GPU, and how many steps they work ahead


@dataclass
class Share:
    """This process's batches of one step, each with its place in the step, and how many batches the step has."""

    batches: Iterable[tuple[int, Any]]
    total: int  # batches of the step


class Steps:
    """The steps of all epochs, each of up to `accumulate` batches, which several processes divide among them."""

    def __init__(self, task: Task, accumulate: int, device: torch.device) -> None:
        self.task, self.accumulate, self.device = task, accumulate, device

    def of_epoch(self, epoch: int) -> list[list[Any]]:
        """The plans of the batches of each step. Raises AsrError if there are none."""
        plans = list(self.task.plan(epoch))
        if not plans:
            raise AsrError("there is nothing to train on: no usable item is left after checking the data.")
        return [plans[start : start + self.accumulate] for start in range(0, len(plans), self.accumulate)]

    def shares(self, epoch: int, step: int, end: int) -> Generator[Share]:
        """This process's share of each step, from step `step` of epoch `epoch` up to epoch `end`, which is excluded.

        On the CPU a batch is prepared when it is needed: threads would take cores from the kernels, whose threads wait
        for each other. For a GPU threads prepare batches some steps ahead, across the end of an epoch.
        """
        wanted = self._wanted(epoch, step, end)
        if self.device.type == "cpu":
            for number, group in wanted:
                made = ((place, self.task.prepare(plan, number, self.device)) for place, plan in self._own(group))
                yield Share(made, len(group))
            return
        workers = max(1, min(MOST_WORKERS, (os.cpu_count() or 1) // processes.count() - 1))
        pool = ThreadPoolExecutor(workers)
        try:
            begun = (self._begin(pool, number, group) for number, group in wanted)
            pending = deque(islice(begun, workers))
            while pending:
                futures, of = pending.popleft()
                pending.extend(islice(begun, 1))
                yield Share([(place, future.result()) for place, future in futures], of)
        finally:
            pool.shutdown(cancel_futures=True)

    def _wanted(self, epoch: int, step: int, end: int) -> Iterator[tuple[int, list[Any]]]:
        for number in range(epoch, end):
            for group in self.of_epoch(number)[step if number == epoch else 0 :]:
                yield number, group

    def _own(self, group: list[Any]) -> list[tuple[int, Any]]:
        return [*enumerate(group)][processes.rank() :: processes.count()]

    def _begin(self, pool: ThreadPoolExecutor, epoch: int, group: list[Any]) -> tuple[Futures, int]:
        own = self._own(group)
        return [(place, pool.submit(self.task.prepare, plan, epoch, self.device)) for place, plan in own], len(group)
