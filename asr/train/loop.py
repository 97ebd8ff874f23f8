"""The one training loop.

A task says what to train and on what (`Task`); the loop does the rest: optimiser, schedule, gradient accumulation,
mixed precision, checkpoints, exact resume, validation, averaging, early stop, log and progress.

An exact resume rests on one rule: nothing random is carried from step to step. The order of batches follows from
(seed, epoch), augmentation from (seed, epoch, utterance), dropout from (seed, step, batch). A run that was killed
continues from its last checkpoint and repeats the lost steps bit for bit (on the CPU, with the same number of threads
and processes). Several processes divide the batches of a step among them (`processes.py`): the result of a batch does
not depend on the process that computes it, so their number changes only the order in which gradients are summed.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from asr.allocator import keep_freed_memory
from asr.atomic_file import write_text
from asr.errors import CheckpointError, ConfigError
from asr.file_lock import locked
from asr.json_text import parse_json
from asr.nn.kernels import exact_arithmetic
from asr.train import processes
from asr.train.averaging import RunningMean, average_tensors
from asr.train.checkpoint import (
    load_state,
    optimizer_tensors,
    read_tensors,
    restore_optimizer,
    save_state,
    write_tensors,
)
from asr.train.config import TrainConfig, choose_device, learning_rate
from asr.train.log import EpochLog, FinalLog, Report, Speed, StepLog, Validation
from asr.train.optimizer import make_optimizer
from asr.train.run_settings import RunSettings
from asr.train.steps import Share, Steps
from asr.train.task import Carrying, HasFingerprints, Task


class Trainer:
    """Trains a task in a folder, where it writes `training/state/`, `training/epochs/` and `training/log.jsonl`."""

    def __init__(
        self, task: Task, config: TrainConfig, folder: Path, report: Report | None = None, whole: object = None
    ) -> None:
        """whole: the configuration of the run, a dataclass with `config` as its `train`, for `training/config.json`.

        Raises ConfigError for a device that is not there, or processes that the batches of a step do not suit."""
        self.task, self.config = task, config
        self.folder = folder / "training"
        self.report = report or (lambda _: None)
        self._settings = RunSettings(self.folder / "config.json", config, whole)
        self.device = choose_device(config.device)
        self.rank = processes.rank()
        if config.accumulate % processes.count():
            raise ConfigError(
                f"{processes.count()} processes divide the batches of a step: train.accumulate must be a multiple of "
                f"that number, not {config.accumulate}."
            )
        self.cores = os.cpu_count() or 1
        self.threads = config.threads or max(1, self.cores // processes.count())
        torch.set_num_threads(self.threads)
        if self.device.type == "cpu":
            keep_freed_memory()
        torch.manual_seed(config.seed)
        self.model = task.model.to(self.device)
        if isinstance(task, Carrying) and max(processes.count(), config.accumulate) > 1:
            raise ConfigError("running text needs one process and train.accumulate = 1: each batch continues the last.")
        self.optimizer = make_optimizer(self.model, task, config)
        self.mean: RunningMean | None = None  # of the weights, once averaging has begun
        self.step = self.epoch = self.next_batch = 0
        self.history: list[Validation] = []
        self._sums: dict[str, float] = {}  # over the epoch's steps
        self._data = task.fingerprints() if isinstance(task, HasFingerprints) else {}
        self.steps = Steps(task, config.accumulate, self.device)
        self.steps_of = [len(self.steps.of_epoch(epoch)) for epoch in range(config.epochs)]
        self.total = sum(self.steps_of)

    def run(self, resume: bool = False) -> FinalLog:
        """Train to the end and leave the best weights in the model; returns which they are, with their figures.

        Of several processes only the first one returns figures. Raises CheckpointError when the folder holds another
        run and `resume` is false, or a damaged state; ConfigError while another process trains there.
        """
        with self._alone():
            return self._run(resume)

    def _alone(self) -> AbstractContextManager[None]:
        """Keeps other runs out of the folder: two would take turns to overwrite each other's state."""
        if self.rank > 0:
            return nullcontext()
        busy = f"another process trains in {self.folder.parent}; wait for its end, or choose another `output`."
        return locked(self.folder / "lock", busy)

    def _run(self, resume: bool) -> FinalLog:
        processes.join(self.device)
        self._start(resume)
        if self.rank == 0:
            self._settings.write()
        processes.same_start(self.model)
        with (
            exact_arithmetic(self.config.exact),
            closing(self.steps.shares(self.epoch, self.next_batch, self.config.last_epoch)) as shares,
        ):
            while self.epoch < self.config.last_epoch and not self._out_of_patience():
                self._run_epoch(shares)
            return self._finish()

    def _run_epoch(self, shares: Iterator[Share]) -> None:
        """Train the epoch's remaining steps, saving the state every `checkpoint_seconds`."""
        saved_at = time.monotonic()
        for share in islice(shares, self.steps_of[self.epoch] - self.next_batch):
            self._train_step(share)
            self.next_batch += 1
            if self.rank == 0 and time.monotonic() - saved_at > self.config.checkpoint_seconds:
                self._save()
                saved_at = time.monotonic()
        self._end_epoch()

    def _train_step(self, share: Share) -> None:
        started = time.monotonic()
        self.model.train()
        rate = learning_rate(self.step, self.total, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_factors"][self.epoch]
        self.optimizer.zero_grad(set_to_none=True)
        figures: dict[str, float] = {}
        for place, batch in share.batches:
            torch.manual_seed((self.config.seed << 32) + self.step * self.config.accumulate + place)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
                loss, counts = self.task.loss(batch)
            torch.autograd.backward(loss / share.total)
            counts["loss"] = float(loss.detach()) / share.total
            for key, value in counts.items():
                figures[key] = figures.get(key, 0.0) + value
        figures = processes.add_gradients(list(self.model.parameters()), figures)
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm))
        if math.isfinite(norm):
            self.optimizer.step()
        if self.mean is not None:
            self.mean.add(self.model)
        figures["skipped_steps"] = 0.0 if math.isfinite(norm) else 1.0
        self.step += 1
        elapsed = time.monotonic() - started
        for key, value in {**figures, "wall": elapsed, "steps": 1.0, "norm": norm}.items():
            self._sums[key] = self._sums.get(key, 0.0) + value
        self.report(StepLog(self.step, self.total, self.epoch + 1, figures["loss"], self._speed(figures, elapsed)))

    def _speed(self, counts: Mapping[str, float], seconds: float) -> Speed | None:
        """What the task counted for each second, in its own unit."""
        unit = self.task.speed_unit
        return None if unit is None else Speed(counts.get(unit.counted, 0.0) / max(seconds, 1e-9), unit)

    def _end_epoch(self) -> None:
        """Log, store the weights for averaging, validate, and save the state in which the next epoch begins."""
        sums, self._sums = self._sums, {}
        steps = max(1.0, sums.pop("steps", 1.0))
        loss, norm = sums.pop("loss", 0.0) / steps, sums.pop("norm", 0.0) / steps
        entry = EpochLog(self.epoch + 1, self.step, loss, norm, sums, self._speed(sums, sums.get("wall", 0.0)))
        self.epoch, self.next_batch = self.epoch + 1, 0
        if self.rank > 0:
            self.history = processes.gather(self.history)[0]
            return
        weights = self._best_guess()
        write_tensors(self._weights_path(self.epoch), weights)
        for epoch in range(1, self._first_averaged):  # several, where the run went on with a smaller `average`
            self._weights_path(epoch).unlink(missing_ok=True)
        if self.epoch % self.config.validate_every == 0 or self.epoch == self.config.last_epoch:
            entry = replace(entry, figures=self._validate_with(weights))
            self.history.append(Validation(self.epoch, entry.figures))
            if self._metrics()[-1] <= min(self._metrics()):
                write_tensors(self.folder / "best.safetensors", weights)
            self._begin_mean()
        self._log(entry)
        self._save()
        self.report(entry)
        processes.gather(self.history)

    def _metrics(self) -> list[float]:
        """The deciding figure of each validation so far; lower is better."""
        return [self._metric(validation.figures) for validation in self.history]

    def _metric(self, figures: Mapping[str, float]) -> float:
        """The deciding figure; one that is no number, such as an error of no texts, counts as the worst."""
        figure = figures[self.task.metric]
        return math.inf if math.isnan(figure) else figure

    def _best_guess(self) -> dict[str, Tensor]:
        """The running mean of the weights if there is one, else the weights."""
        return self.mean.tensors if self.mean is not None else self.model.state_dict()

    def _begin_mean(self) -> None:
        """Begin the running mean once no validation has improved for `average_after` of them."""
        after = self.config.average_after
        if not after or self.mean is not None or len(self.history) <= after:
            return
        metrics = self._metrics()
        if metrics[-1] > min(metrics[:-after]):
            self.mean = RunningMean.of(self.model)

    def _validate_with(self, weights: dict[str, Tensor]) -> dict[str, float]:
        if self.mean is None:
            return self._validate()
        own = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(weights)
        try:
            return self._validate()
        finally:
            self.model.load_state_dict(own)

    def _validate(self) -> dict[str, float]:
        """The task's figures; only the first process validates, on all cores, while the others wait."""
        self.model.eval()
        torch.set_num_threads(self.config.threads or self.cores)
        try:
            with torch.inference_mode():
                return self.task.validate(self.device)
        finally:
            torch.set_num_threads(self.threads)

    def _out_of_patience(self) -> bool:
        if not self.config.patience or not self.history:
            return False
        metrics = self._metrics()
        return len(metrics) - 1 - metrics.index(min(metrics)) >= self.config.patience

    def _finish(self) -> FinalLog:
        """Compare the average of the last epochs with the best epoch, and leave the better one in the model.

        Only the first process does so: the models of the others stay as the last step left them.
        """
        if self.rank > 0:
            return FinalLog(self.step, "", {})
        if not self.history:  # stopped before the first validation
            self.history = [Validation(self.epoch, self._validate())]
            write_tensors(self.folder / "best.safetensors", self.model.state_dict())
        # the last of equals, as the weights in the file are
        best = min(reversed(self.history), key=lambda validation: self._metric(validation.figures))
        final = FinalLog(self.step, f"epoch {best.epoch}", best.figures)
        averaged = self._average_epochs()
        if averaged is not None and self._metric(averaged.figures) <= self._metric(best.figures):
            final = averaged
        else:
            self.model.load_state_dict(read_tensors(self.folder / "best.safetensors"))
        self.model.eval()
        self._log(final)
        self.report(final)
        return final

    def _average_epochs(self) -> FinalLog | None:
        """Put the average of the last epochs' weights in the model and validate it; None if there is one epoch only."""
        epochs = range(self._first_averaged, self.epoch + 1)
        paths = [path for path in map(self._weights_path, epochs) if path.exists()]
        if len(paths) < 2:
            return None
        self.model.load_state_dict(average_tensors([read_tensors(path) for path in paths]))
        first = self.epoch - len(paths) + 1
        return FinalLog(self.step, f"average of epochs {first}-{self.epoch}", self._validate())

    @property
    def _first_averaged(self) -> int:
        return max(1, self.epoch - self.config.average + 1)

    def _weights_path(self, epoch: int) -> Path:
        return self.folder / "epochs" / f"epoch-{epoch:04d}.safetensors"

    def _log(self, entry: EpochLog | FinalLog) -> None:
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry.to_dict()) + "\n")

    def _save(self) -> None:
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        values = {
            "step": self.step, "epoch": self.epoch, "next_batch": self.next_batch, "sums": self._sums,
            "history": [validation.to_dict() for validation in self.history], "total": self.total,
            "seed": self.config.seed, "data": self._data,
        }  # fmt: skip
        if self.mean is not None:
            tensors |= {f"mean.{name}": value for name, value in self.mean.tensors.items()}
            values["mean_steps"] = self.mean.steps
        if isinstance(self.task, Carrying):
            tensors |= {f"carried.{name}": value for name, value in self.task.carried().items()}
        save_state(self.folder / "state", self.step, tensors | optimizer_tensors(self.optimizer), values)

    def _start(self, resume: bool) -> None:
        """Begin at the first step, or at the newest state in the folder."""
        state = load_state(self.folder / "state")
        if state is None:
            if self.rank == 0 and (self.folder / "log.jsonl").exists():
                (self.folder / "log.jsonl").unlink()  # left by a run that was killed before its first state
            self.folder.mkdir(parents=True, exist_ok=True)
            return
        if not resume:
            raise CheckpointError(
                f"{self.folder.parent} holds a training run; set `resume` to continue it, or choose another `output`."
            )
        tensors, values = state
        self._settings.check(self.folder.parent)
        if values["seed"] != self.config.seed or values["total"] != self.total:
            raise CheckpointError(
                f"{self.folder.parent} was trained with another seed, schedule or data; use the same configuration "
                "and manifests to resume, or choose another `output`."
            )
        self._check_data(values.get("data", {}))
        try:
            self.model.load_state_dict(_with_prefix(tensors, "model."))
        except RuntimeError:
            raise CheckpointError(
                f"{self.folder.parent} holds a model of other sizes; choose another `output`."
            ) from None
        restore_optimizer(self.optimizer, tensors)
        if "mean_steps" in values:
            self.mean = RunningMean(_with_prefix(tensors, "mean."), values["mean_steps"]).to(self.device)
        if isinstance(self.task, Carrying):
            self.task.carry_on(_with_prefix(tensors, "carried."))
        self.step, self.epoch, self.next_batch = values["step"], values["epoch"], values["next_batch"]
        self.history = [Validation.from_dict(entry) for entry in values["history"]]
        self._sums = values["sums"]
        if self.rank == 0:
            self._trim_log()

    def _check_data(self, before: Mapping[str, str]) -> None:
        """Raise CheckpointError for data that the run was not begun with. Older states do not say what theirs was."""
        for name, found in self._data.items():
            if before.get(name, found) != found:
                raise CheckpointError(
                    f"{self.folder.parent} was begun with other {name}; use the same texts in the same order, and the "
                    "same tokens, to resume, or choose another `output`."
                )

    def _trim_log(self) -> None:
        """Remove entries of epochs after the state, which are repeated, and a last line that was half written."""
        path = self.folder / "log.jsonl"
        valid = []
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                entry = parse_json(line)
            except ValueError:
                continue
            if entry["kind"] != "final" and entry["epoch"] <= self.epoch:
                valid.append(line)
        write_text(path, "".join(f"{line}\n" for line in valid))


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, which is removed."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
