"""The classic tests of memory: what is asked, what is answered without memory, and that an LSTM learns it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from asr.analysis.memory_tasks import ADDING_BASELINE, MARK, SHOWN, SIGNS, WAIT, MemoryTask, copying_baseline
from asr.errors import ConfigError


def test_adding_asks_for_the_sum_of_one_number_of_each_half():
    inputs, sums = MemoryTask("lstm", "adding", length=11).draw(2000, 1, 0)
    marks = inputs[:, :, 1]
    assert torch.equal(marks[:, :5].sum(1), torch.ones(2000))
    assert torch.equal(marks[:, 5:].sum(1), torch.ones(2000))
    assert torch.allclose((inputs[:, :, 0] * marks).sum(1), sums)
    assert float(((sums - 1) ** 2).mean()) == pytest.approx(ADDING_BASELINE, rel=0.08)


def test_copying_asks_for_the_signs_after_the_mark():
    inputs, targets = MemoryTask("gru", "copying", length=6).draw(5, 1, 0)
    shown = inputs.argmax(2)
    assert inputs.shape == (5, 26, SIGNS + 2)
    assert torch.equal(shown[:, :SHOWN], targets[:, -SHOWN:])
    assert (shown == MARK).sum() == 5
    assert bool((shown[:, 15] == MARK).all())
    assert bool((targets[:, :-SHOWN] == WAIT).all())
    known = torch.zeros(5, 26, SIGNS + 1)  # sure of when to speak, not of what
    known[:, :-SHOWN, WAIT] = 50.0
    known[:, -SHOWN:, :SIGNS] = 50.0
    loss = cross_entropy(known.flatten(0, 1), targets.flatten())
    assert float(loss) == pytest.approx(copying_baseline(6), rel=1e-5)


def test_training_never_sees_what_validates():
    task = MemoryTask("rnn", "adding", length=9)
    held, _ = task.draw(32, 0, 0)
    seen = [task.prepare(step, epoch, torch.device("cpu"))[0] for epoch in range(3) for step in task.plan(epoch)[:5]]
    assert not any(np.isclose(held.numpy(), batch.numpy()).all() for batch in seen)


def test_wrong_tests_are_refused():
    with pytest.raises(ConfigError, match="adding or copying"):
        MemoryTask("lstm", "multiplying")
    with pytest.raises(ConfigError, match="unknown recurrent kind"):
        MemoryTask("magic", "adding")


def test_the_command_draws_curves_that_fall(run, tmp_path):
    picture = tmp_path / "curves.png"
    code, out, errors = run(
        "inspect", "memory", "adding", "--kinds", "gru", "--length", 4, "--size", 24, "--epochs", 8,
        "--rate", 0.01, "--output", picture, "--json",
    )  # fmt: skip
    assert code == 0, errors
    found = json.loads(out)
    assert found["without_memory"] == pytest.approx(1 / 6)
    assert found["curves"]["gru"][-1] < ADDING_BASELINE / 5
    assert picture.read_bytes().startswith(b"\x89PNG")
    code, out, _ = run("inspect", "memory", "copying", "--kinds", "rnn", "--length", 3, "--size", 4, "--epochs", 1)
    assert code == 0
    assert out.startswith("without memory")
