from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from asr.errors import CheckpointError, ConfigError
from asr.train.checkpoint import load_state, read_tensors, save_state, write_tensors
from asr.train.config import TrainConfig, learning_rate
from asr.train.loop import Trainer


class LineTask:
    """Fits a line through noisy points; dropout makes it depend on random states."""

    metric = "error"

    def __init__(self) -> None:
        torch.manual_seed(5)
        self.model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 1))

    def plan(self, epoch):
        return [(epoch, number) for number in range(6)]

    def prepare(self, plan, epoch, device):
        generator = torch.Generator().manual_seed(100 * plan[0] + plan[1])
        inputs = torch.randn(16, 3, generator=generator)
        return inputs, inputs @ torch.tensor([[1.0], [-2.0], [0.5]])

    def loss(self, batch):
        return (self.model(batch[0]) - batch[1]).square().mean(), {"seconds": 1.0}

    def validate(self, device):
        inputs, wanted = self.prepare((99, 0), 99, device)
        return {"error": float((self.model(inputs) - wanted).square().mean())}


CONFIG = TrainConfig(epochs=4, peak_lr=0.05, checkpoint_seconds=0.0, average=2, device="cpu", accumulate=2)


class Killed(Exception):
    pass


def _killed_at(step: int):
    def report(entry):
        if entry["kind"] == "step" and entry["step"] == step:
            raise Killed

    return report


def _weights(trainer: Trainer) -> list[torch.Tensor]:
    return [value.clone() for value in trainer.model.state_dict().values()]


def test_training_learns_and_logs(tmp_path):
    trainer = Trainer(LineTask(), TrainConfig(epochs=30, peak_lr=0.05, device="cpu"), tmp_path)
    final = trainer.run()
    entries = [json.loads(line) for line in (tmp_path / "training/log.jsonl").read_text().splitlines()]
    assert [entry["kind"] for entry in entries] == ["epoch"] * 30 + ["final"]
    assert final["error"] < 0.3 * entries[0]["error"]
    assert entries[-1]["error"] == final["error"]


@pytest.mark.parametrize("step", [1, 2, 3, 4, 7, 11])
def test_a_run_killed_anywhere_and_resumed_ends_with_the_same_weights(tmp_path, step):
    whole = Trainer(LineTask(), CONFIG, tmp_path / "whole")
    whole.run()
    with pytest.raises(Killed):
        Trainer(LineTask(), CONFIG, tmp_path / "cut", _killed_at(step)).run()
    resumed = Trainer(LineTask(), CONFIG, tmp_path / "cut")
    resumed.run(resume=True)
    assert all(torch.equal(a, b) for a, b in zip(_weights(whole), _weights(resumed), strict=True))
    logs = [
        [{k: v for k, v in json.loads(line).items() if "wall" not in k and "per_second" not in k} for line in
         (tmp_path / name / "training/log.jsonl").read_text().splitlines()]
        for name in ("whole", "cut")
    ]  # fmt: skip
    assert logs[0] == logs[1]


def test_a_run_may_stop_within_its_schedule_and_go_on_later(tmp_path):
    whole = Trainer(LineTask(), CONFIG, tmp_path / "whole")
    whole.run()
    part = Trainer(LineTask(), replace(CONFIG, stop_epoch=2), tmp_path / "part")
    final = part.run()
    assert (part.epoch, final["weights"]) in ((2, "average of epochs 1-2"), (2, "epoch 1"), (2, "epoch 2"))
    rest = Trainer(LineTask(), CONFIG, tmp_path / "part")
    rest.run(resume=True)
    assert all(torch.equal(a, b) for a, b in zip(_weights(whole), _weights(rest), strict=True))


def test_kill_9_at_any_moment_leaves_a_state_that_resumes_to_the_same_weights(tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from tests.train.test_loop import *\n"
        "config = TrainConfig(epochs=200, peak_lr=0.05, checkpoint_seconds=0.0, device='cpu')\n"
        "trainer = Trainer(LineTask(), config, Path(sys.argv[1]))\n"
        "trainer.run(resume=True)\n"
        "write_tensors(Path(sys.argv[1]) / 'final.safetensors', trainer.model.state_dict())\n"
    )
    root = str(Path(__file__).parents[2])

    def start(name: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", script, str(tmp_path / name), root])

    assert start("whole").wait(timeout=240) == 0
    killed = 0
    for delay in (0.1, 0.5, 0.25):
        process = start("cut")
        deadline = time.monotonic() + 60
        while not list((tmp_path / "cut").glob("training/state/step-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(delay)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed >= 1
    assert start("cut").wait(timeout=240) == 0
    whole, cut = (read_tensors(tmp_path / name / "final.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_another_run_is_not_overwritten_and_other_settings_do_not_resume(tmp_path):
    Trainer(LineTask(), CONFIG, tmp_path).run()
    with pytest.raises(CheckpointError, match="`resume`"):
        Trainer(LineTask(), CONFIG, tmp_path).run()
    with pytest.raises(CheckpointError, match="another seed"):
        Trainer(LineTask(), TrainConfig(epochs=9, device="cpu"), tmp_path).run(resume=True)


def test_patience_stops_early(tmp_path):
    task = LineTask()
    task.validate = lambda device: {"error": 1.0}
    trainer = Trainer(task, TrainConfig(epochs=50, patience=3, device="cpu"), tmp_path)
    trainer.run()
    assert trainer.epoch == 4


def test_the_learning_rate_rises_then_falls():
    config = TrainConfig(peak_lr=1.0, warmup_share=0.1, final_lr_share=0.1)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.55, abs=0.01)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


def test_a_step_with_infinite_gradients_is_skipped(tmp_path):
    task = LineTask()
    before = [p.clone() for p in task.model.parameters()]
    task.loss = lambda batch: (task.model(batch[0]).sum() * float("inf"), {})
    trainer = Trainer(task, CONFIG, tmp_path)
    trainer.run()
    assert all(torch.equal(a, b) for a, b in zip(before, task.model.parameters(), strict=True))


def test_states_are_whole_or_absent(tmp_path):
    assert load_state(tmp_path / "state") is None
    save_state(tmp_path / "state", 3, {"a": torch.ones(2)}, {"step": 3})
    (tmp_path / "state" / ".tmp-9-1").mkdir()  # a save that was killed
    tensors, values = load_state(tmp_path / "state")
    assert values == {"step": 3}
    assert torch.equal(tensors["a"], torch.ones(2))
    file = tmp_path / "state" / "step-000000003" / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="cut short"):
        load_state(tmp_path / "state")


def test_a_write_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    write_tensors(tmp_path / "w.safetensors", {"a": torch.ones(2)})

    def full_disk(tensors, path):
        Path(path).write_bytes(b"part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("asr.train.checkpoint.save_file", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_tensors(tmp_path / "w.safetensors", {"a": torch.zeros(2)})
    assert torch.equal(read_tensors(tmp_path / "w.safetensors")["a"], torch.ones(2))
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_impossible_settings_are_named():
    with pytest.raises(ConfigError, match="precision"):
        TrainConfig(precision="fp8")
    with pytest.raises(ConfigError, match="epochs"):
        TrainConfig(epochs=0)


def _train_in_processes(folder: Path, processes: int, kill_after: int | None = None) -> subprocess.CompletedProcess:
    """The line task trained by `processes` processes, as `asr train --processes` does it."""
    script = """
import sys
from pathlib import Path
from asr.train.config import TrainConfig
from asr.train.loop import Trainer
from asr.train.processes import helpers
from tests.train.test_loop import LineTask

folder, count, stop = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def report(entry):
    if entry["kind"] == "step" and entry["step"] == stop:
        raise SystemExit(3)

config = TrainConfig(epochs=4, peak_lr=0.05, checkpoint_seconds=0.0, average=2, device="cpu", accumulate=2, threads=1)
with helpers(count, [sys.executable, *sys.argv]):
    Trainer(LineTask(), config, folder, report).run(resume=True)
"""
    path = folder.parent / "run.py"
    path.write_text(script)
    arguments = [sys.executable, str(path), str(folder), str(processes), str(kill_after or -1)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(arguments, capture_output=True, text=True, timeout=120, env=environment)


def test_two_processes_train_the_same_model_as_one(tmp_path):
    for count in (1, 2):
        outcome = _train_in_processes(tmp_path / str(count), count)
        assert outcome.returncode == 0, outcome.stderr
    one, two = (read_tensors(tmp_path / str(count) / "training/epochs/epoch-0004.safetensors") for count in (1, 2))
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=1e-6), name


def test_two_processes_stopped_and_resumed_end_with_the_same_weights(tmp_path):
    assert _train_in_processes(tmp_path / "whole", 2).returncode == 0
    assert _train_in_processes(tmp_path / "cut", 2, kill_after=7).returncode == 3
    assert _train_in_processes(tmp_path / "cut", 2).returncode == 0
    whole, cut = (read_tensors(tmp_path / name / "training/epochs/epoch-0004.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(value, cut[name]) for name, value in whole.items())
