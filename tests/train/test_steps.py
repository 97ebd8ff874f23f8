from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest
import torch

from asr.errors import AsrError
from asr.train import steps
from asr.train.steps import Steps

CPU, OTHER = torch.device("cpu"), torch.device("meta")  # a GPU's way, whatever the device is


class NumberTask:
    """Batches that say which they are; the first of each epoch takes the longest to make."""

    def __init__(self, batches: int = 5) -> None:
        self.batches, self.made, self.lock = batches, 0, threading.Lock()

    def plan(self, epoch):
        return range(self.batches)

    def prepare(self, plan, epoch, device):
        if plan == 0:
            time.sleep(0.05)
        with self.lock:
            self.made += 1
        return epoch, plan


@pytest.mark.parametrize("device", [CPU, OTHER])
def test_steps_come_in_order_over_all_epochs_from_where_a_run_stands(device):
    found = [(list(share.batches), share.total) for share in Steps(NumberTask(), 2, device).shares(1, 1, 3)]
    expected = [([(0, (1, 2)), (1, (1, 3))], 2), ([(0, (1, 4))], 1)]
    expected += [([(0, (2, 0)), (1, (2, 1))], 2), ([(0, (2, 2)), (1, (2, 3))], 2), ([(0, (2, 4))], 1)]
    assert found == expected


def test_batches_are_made_ahead_but_not_far(monkeypatch):
    monkeypatch.setattr(steps, "MOST_WORKERS", 3)
    monkeypatch.setattr(steps.os, "cpu_count", lambda: 8)
    task = NumberTask(batches=2)
    with closing(Steps(task, 1, OTHER).shares(0, 0, 50)) as shares:
        next(shares)
        deadline = time.monotonic() + 5
        while task.made < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert task.made == 4  # the one that was asked for, and one for each thread, of the next epoch too


def test_what_goes_wrong_in_a_thread_is_raised_and_an_empty_plan_is_named():
    class BrokenTask(NumberTask):
        def prepare(self, plan, epoch, device):
            raise AsrError("torn")

    with pytest.raises(AsrError, match="torn"):
        list(Steps(BrokenTask(), 1, OTHER).shares(0, 0, 1))
    with pytest.raises(AsrError, match="nothing to train on"):
        Steps(NumberTask(batches=0), 1, CPU).of_epoch(0)
