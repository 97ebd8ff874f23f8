from __future__ import annotations

import json
import math
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

from asr.config import from_dict
from asr.errors import CheckpointError, ConfigError
from asr.train.checkpoint import load_state, read_tensors, save_state, write_tensors
from asr.train.config import TrainConfig, learning_rate
from asr.train.fingerprint import fingerprint
from asr.train.log import EpochLog, FinalLog, SpeedUnit, StepLog
from asr.train.loop import Trainer


class LineTask:
    """Fits a line through noisy points; dropout makes it depend on random states."""

    metric = "error"
    speed_unit = SpeedUnit("numbers", "numbers_per_second", "numbers a second")

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
        return (self.model(batch[0]) - batch[1]).square().mean(), {"numbers": 16.0}

    def validate(self, device):
        inputs, wanted = self.prepare((99, 0), 99, device)
        return {"error": float((self.model(inputs) - wanted).square().mean())}


CONFIG = TrainConfig(epochs=4, peak_lr=0.05, checkpoint_seconds=0.0, average=2, device="cpu", accumulate=2, threads=1)


class Killed(Exception):
    pass


def _killed_at(step: int):
    def report(entry):
        if isinstance(entry, StepLog) and entry.step == step:
            raise Killed

    return report


def _weights(trainer: Trainer) -> list[torch.Tensor]:
    return [value.clone() for value in trainer.model.state_dict().values()]


def test_training_learns_and_logs(tmp_path):
    trainer = Trainer(LineTask(), TrainConfig(epochs=30, peak_lr=0.05, device="cpu", threads=1), tmp_path)
    final = trainer.run()
    entries = [json.loads(line) for line in (tmp_path / "training/log.jsonl").read_text().splitlines()]
    assert [entry["kind"] for entry in entries] == ["epoch"] * 30 + ["final"]
    assert final.figures["error"] < 0.3 * entries[0]["error"]
    assert entries[-1]["error"] == final.figures["error"]


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


@pytest.mark.parametrize(
    ("change", "named"),
    [({"peak_lr": 0.01}, "peak_lr = "), ({"betas": (0.5, 0.9)}, r"betas = \[0.9, 0.98\], not \[0.5, 0.9\]"),
     ({"optimizer": "sgd"}, 'optimizer = "adamw", not "sgd"'), ({"clip_norm": 9.0}, "clip_norm"),
     ({"weight_decay": 0.5}, "weight_decay"), ({"seed": 9}, "seed"), ({"epochs": 9}, "epochs")],
)  # fmt: skip
def test_a_run_does_not_go_on_with_other_settings(tmp_path, change, named):
    """It would end in the weights of neither configuration, and say it was of the new one."""
    with pytest.raises(Killed):
        Trainer(LineTask(), CONFIG, tmp_path, _killed_at(4)).run()
    with pytest.raises(CheckpointError, match=f"was trained with train.{named}"):
        Trainer(LineTask(), replace(CONFIG, **change), tmp_path).run(resume=True)
    other = {"stop_epoch": 2, "checkpoint_seconds": 9.0, "average": 1, "patience": 7, "validate_every": 2}
    Trainer(LineTask(), replace(CONFIG, **other), tmp_path).run(resume=True)


class WithData(LineTask):
    """A task that says what it is trained on."""

    def __init__(self, train, dev):
        super().__init__()
        self.data = {"training data": fingerprint(train), "validation data": fingerprint(dev)}

    def fingerprints(self):
        return self.data


def test_a_run_does_not_go_on_with_other_data_of_the_same_size(tmp_path):
    """It did, where the number of steps was the same: a corrected text, another order, another validation set."""
    with pytest.raises(Killed):
        Trainer(WithData(["a", "b"], ["c"]), CONFIG, tmp_path, _killed_at(4)).run()
    for train, dev, named in ((["a", "B"], ["c"], "training"), (["b", "a"], ["c"], "training"),
                              (["a", "b"], ["d"], "validation")):  # fmt: skip
        with pytest.raises(CheckpointError, match=f"was begun with other {named} data"):
            Trainer(WithData(train, dev), CONFIG, tmp_path).run(resume=True)
    Trainer(WithData(["a", "b"], ["c"]), CONFIG, tmp_path).run(resume=True)


def test_a_state_that_does_not_say_what_its_data_was_resumes(tmp_path):
    with pytest.raises(Killed):
        Trainer(LineTask(), CONFIG, tmp_path, _killed_at(4)).run()
    Trainer(WithData(["a"], ["b"]), CONFIG, tmp_path).run(resume=True)


@pytest.mark.parametrize("average", [1, 2])
def test_a_run_that_goes_on_with_a_smaller_average_averages_no_older_epochs(tmp_path, average):
    whole = Trainer(LineTask(), replace(CONFIG, average=average), tmp_path / "whole")
    Trainer(LineTask(), replace(CONFIG, average=4, stop_epoch=3), tmp_path / "cut").run()
    resumed = Trainer(LineTask(), replace(CONFIG, average=average), tmp_path / "cut")
    assert resumed.run(resume=True) == whole.run()
    assert all(torch.equal(a, b) for a, b in zip(_weights(whole), _weights(resumed), strict=True))
    kept = [sorted(path.name for path in (tmp_path / name).glob("training/epochs/*")) for name in ("cut", "whole")]
    assert kept[0] == kept[1]
    finished = Trainer(LineTask(), replace(CONFIG, average=1), tmp_path / "whole")
    assert "average" not in finished.run(resume=True).weights


@pytest.mark.parametrize("epoch", [1, 2])
def test_an_epoch_is_logged_once_though_the_run_is_killed_between_log_and_state(tmp_path, monkeypatch, epoch):
    """The state of the epoch's last step is there, and the epoch's line in the log; the epoch ends once more."""

    def killed(trainer: Trainer) -> None:
        if trainer.epoch == epoch and trainer.next_batch == 0:
            raise Killed
        save(trainer)

    config = replace(CONFIG, checkpoint_seconds=0.0)
    save = Trainer._save
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save", killed)
        with pytest.raises(Killed):
            Trainer(LineTask(), config, tmp_path).run()
    log = tmp_path / "training/log.jsonl"
    assert len(log.read_text().splitlines()) == epoch
    Trainer(LineTask(), config, tmp_path).run(resume=True)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry.get("epoch") for entry in entries] == [*range(1, config.epochs + 1), None]


def test_the_log_is_whole_though_a_run_is_killed_while_it_is_trimmed(tmp_path, monkeypatch):
    Trainer(LineTask(), replace(CONFIG, stop_epoch=2), tmp_path).run()
    log = tmp_path / "training/log.jsonl"
    before = log.read_text()

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        patch.setattr(os, "rename", killed)
        with pytest.raises(Killed):
            Trainer(LineTask(), CONFIG, tmp_path).run(resume=True)
    assert log.read_text() == before


class Dictated(LineTask):
    """A task whose deciding figure is given, and that measures its weights beside it."""

    def __init__(self, errors: list[float]) -> None:
        super().__init__()
        self.errors = iter(errors)

    def validate(self, device):
        return {"error": next(self.errors), "sum": self.sum()}

    def sum(self) -> float:
        return float(sum(value.detach().sum() for value in self.model.parameters()))


def test_after_a_tie_the_figures_are_those_of_the_weights(tmp_path):
    task = Dictated([0.5, 0.1, 0.1, 0.3])
    final = Trainer(task, replace(CONFIG, average=1), tmp_path).run()
    assert final.weights == "epoch 3"
    assert final.figures["sum"] == task.sum()


@pytest.mark.parametrize(("errors", "kept"), [([0.4, 0.5], "epoch 2"), ([math.nan, math.nan], "epoch 3")])
def test_a_figure_that_is_no_number_is_the_worst(tmp_path, errors, kept):
    task = Dictated([math.nan, *errors])
    final = Trainer(task, replace(CONFIG, epochs=3, average=1), tmp_path).run()
    assert final.weights == kept
    assert final.figures["sum"] == task.sum()


def test_a_run_may_stop_within_its_schedule_and_go_on_later(tmp_path):
    whole = Trainer(LineTask(), CONFIG, tmp_path / "whole")
    whole.run()
    part = Trainer(LineTask(), replace(CONFIG, stop_epoch=2), tmp_path / "part")
    final = part.run()
    assert part.epoch == 2
    # The reported weights are those in the model: their figures are measured again here.
    assert LineTask.validate(part.task, None) == final.figures
    errors = {f"epoch {entry.epoch}": entry.figures["error"] for entry in part.history}
    epochs = [read_tensors(tmp_path / f"part/training/epochs/epoch-{number:04d}.safetensors") for number in (1, 2)]
    part.model.load_state_dict({name: (value + epochs[1][name]) / 2 for name, value in epochs[0].items()})
    errors["average of epochs 1-2"] = part.task.validate(None)["error"]
    assert min(errors.values()) == pytest.approx(errors[final.weights], rel=1e-5)
    rest = Trainer(LineTask(), CONFIG, tmp_path / "part")
    rest.run(resume=True)
    assert all(torch.equal(a, b) for a, b in zip(_weights(whole), _weights(rest), strict=True))


def test_kill_9_at_any_moment_leaves_a_state_that_resumes_to_the_same_weights(tmp_path):
    """The process saves after every step and says so; it is killed at three places, within a step or a save."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from tests.train.test_loop import *\n"
        "config = TrainConfig(epochs=8, peak_lr=0.05, checkpoint_seconds=0.0, device='cpu', threads=1)\n"
        "say = lambda entry: print(entry.step, flush=True)\n"
        "trainer = Trainer(LineTask(), config, Path(sys.argv[1]), say)\n"
        "trainer.run(resume=True)\n"
        "write_tensors(Path(sys.argv[1]) / 'final.safetensors', trainer.model.state_dict())\n"
    )
    root = str(Path(__file__).parents[2])

    def start(name: str) -> subprocess.Popen:
        command = [sys.executable, "-c", script, str(tmp_path / name), root]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    assert start("whole").wait(timeout=240) == 0
    for step, delay in ((3, 0.0), (17, 0.002), (30, 0.01)):
        process = start("cut")
        for line in process.stdout:
            if int(line) >= step:
                break
        time.sleep(delay)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "the run ended before it was killed"
        assert load_state(tmp_path / "cut/training/state") is not None
    assert start("cut").wait(timeout=240) == 0
    whole, cut = (read_tensors(tmp_path / name / "final.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_a_second_run_in_the_folder_is_refused_and_does_the_first_no_harm(tmp_path):
    alone = Trainer(LineTask(), CONFIG, tmp_path / "alone")
    alone.run()
    refused = []

    def start_another(entry):
        with pytest.raises(ConfigError, match=r"another process trains in .*both"):
            Trainer(LineTask(), CONFIG, tmp_path / "both").run(resume=True)
        refused.append(entry)

    first = Trainer(LineTask(), CONFIG, tmp_path / "both", start_another)
    first.run()
    assert refused
    assert all(torch.equal(a, b) for a, b in zip(_weights(alone), _weights(first), strict=True))
    Trainer(LineTask(), CONFIG, tmp_path / "both").run(resume=True)  # once the first has ended


def test_another_run_is_not_overwritten_and_other_settings_do_not_resume(tmp_path):
    Trainer(LineTask(), CONFIG, tmp_path).run()
    with pytest.raises(CheckpointError, match="`resume`"):
        Trainer(LineTask(), CONFIG, tmp_path).run()
    with pytest.raises(CheckpointError, match=r"train\.epochs = 4, not 9"):
        Trainer(LineTask(), TrainConfig(epochs=9, device="cpu"), tmp_path).run(resume=True)


def test_the_written_configuration_is_that_of_the_run_whatever_is_refused_after_it(tmp_path):
    Trainer(LineTask(), CONFIG, tmp_path, whole=CONFIG).run()
    other = TrainConfig(epochs=9, device="cpu")
    for resume in (False, True):
        with pytest.raises(CheckpointError):
            Trainer(LineTask(), other, tmp_path, whole=other).run(resume)
    written = json.loads((tmp_path / "training/config.json").read_text())
    assert from_dict(TrainConfig, written) == CONFIG


def test_a_tasks_rate_factors_slow_and_freeze_parameters(tmp_path):
    class FineTuned(LineTask):
        def rate_factor(self, name, epoch):
            return 0.0 if name.startswith("0.") else 1.0

    plain, tuned = LineTask(), FineTuned()
    before = [value.clone() for value in tuned.model.parameters()]
    config = replace(CONFIG, epochs=1, weight_decay=0.0, average=1)
    for name, task in (("plain", plain), ("tuned", tuned)):
        Trainer(task, config, tmp_path / name).run()
    moved = [not torch.equal(*pair) for pair in zip(before, tuned.model.parameters(), strict=True)]
    assert moved == [False, False, True, True]
    assert all(not torch.equal(*pair) for pair in zip(before, plain.model.parameters(), strict=True))


def test_patience_stops_early(tmp_path):
    task = LineTask()
    task.validate = lambda device: {"error": 1.0}
    trainer = Trainer(task, TrainConfig(epochs=50, patience=3, device="cpu", threads=1), tmp_path)
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


@pytest.mark.parametrize("call", ["rename", "sync_folder", "rmtree"])
def test_a_death_while_the_same_step_is_saved_again_leaves_a_state(tmp_path, monkeypatch, call):
    """As at the end of an epoch whose last step was saved already."""
    folder = tmp_path / "state"
    save_state(folder, 3, {"a": torch.ones(2)}, {"step": 3, "epoch": 0})

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        if call == "rename":
            patch.setattr(Path, "rename", die)
        elif call == "rmtree":
            patch.setattr("asr.train.checkpoint.shutil.rmtree", die)
        else:
            patch.setattr("asr.train.checkpoint.sync_folder", die)
        with pytest.raises(Killed):
            save_state(folder, 3, {"a": torch.ones(2)}, {"step": 3, "epoch": 1})
    assert load_state(folder)[1]["step"] == 3
    for epoch in (1, 2):
        save_state(folder, 3, {"a": torch.ones(2)}, {"step": 3, "epoch": epoch})
        assert load_state(folder)[1]["epoch"] == epoch
        assert len(list(folder.iterdir())) == 1
    save_state(folder, 4, {"a": torch.ones(2)}, {"step": 4, "epoch": 2})
    assert [path.name for path in folder.iterdir()] == ["step-000000004"]


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


def test_states_of_the_first_edition_resume(tmp_path):
    """Their history holds whole entries of the log."""
    whole = Trainer(LineTask(), CONFIG, tmp_path / "whole")
    final = whole.run()
    with pytest.raises(Killed):
        Trainer(LineTask(), CONFIG, tmp_path / "old", _killed_at(7)).run()
    (values_path,) = (tmp_path / "old").rglob("values.json")
    values = json.loads(values_path.read_text())
    assert values["history"]
    old = {"kind": "epoch", "step": 3, "loss": 0.5, "audio_seconds_per_second": 1.0}
    values["history"] = [old | {"epoch": entry["epoch"]} | entry["figures"] for entry in values["history"]]
    values_path.write_text(json.dumps(values))
    resumed = Trainer(LineTask(), CONFIG, tmp_path / "old")
    again = resumed.run(resume=True)
    assert (again.weights, again.figures["error"]) == (final.weights, final.figures["error"])
    assert all(torch.equal(a, b) for a, b in zip(_weights(whole), _weights(resumed), strict=True))


def test_the_task_names_its_own_speed(tmp_path):
    entries = []
    Trainer(LineTask(), TrainConfig(epochs=1, device="cpu", threads=1), tmp_path, entries.append).run()
    assert [type(entry) for entry in entries] == [StepLog] * 6 + [EpochLog, FinalLog]
    assert str(entries[0].speed).endswith("numbers a second")
    line = json.loads((tmp_path / "training/log.jsonl").read_text().splitlines()[0])
    assert line["numbers"] == 96
    assert line["numbers_per_second"] == pytest.approx(96 / entries[6].counts["wall"], rel=0.1)
    assert "audio_seconds_per_second" not in line


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
from asr.train.log import StepLog
from asr.train.loop import Trainer
from asr.train.processes import helpers
from tests.train.test_loop import LineTask

folder, count, stop = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def report(entry):
    if isinstance(entry, StepLog) and entry.step == stop:
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
