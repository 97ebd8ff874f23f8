"""The one training loop.

A task says what to train and on what (`Task`); the loop does the rest: optimiser, schedule, gradient accumulation,
mixed precision, checkpoints, exact resume, validation, averaging, early stop, log and progress.

Exactness of a resume rests on one rule: nothing random is carried from step to step. The order of batches follows from
(seed, epoch), augmentation from (seed, epoch, utterance), dropout from (seed, step, batch). A run that was killed goes
on from its last checkpoint and repeats the lost steps bit for bit (on the CPU with the same number of threads and
processes). Several processes share out the batches of a step (`processes.py`): what each batch gives does not depend on
who computes it, so that their number changes nothing but the order in which gradients are summed.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asr.errors import CheckpointError, ConfigError
from asr.train import processes
from asr.train.allocator import keep_memory
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
from asr.train.optimizer import make_optimizer
from asr.train.steps import Share, Steps
from asr.train.task import Carrying, Report, Task


class Trainer:
    """Runs a task under a configuration, in a folder: `training/state/`, `training/epochs/`, `training/log.jsonl`."""

    def __init__(self, task: Task, config: TrainConfig, folder: Path, report: Report | None = None) -> None:
        self.task, self.config = task, config
        self.folder = folder / "training"
        self.report = report or (lambda _: None)
        self.device = choose_device(config.device)
        self.rank = processes.rank()
        if config.accumulate % processes.count():
            raise ConfigError(
                f"{processes.count()} processes share out the batches of a step: train.accumulate must be a multiple "
                f"of that, not {config.accumulate}."
            )
        self.cores = os.cpu_count() or 1
        self.threads = config.threads or max(1, self.cores // processes.count())
        torch.set_num_threads(self.threads)
        if self.device.type == "cpu":
            keep_memory()
        torch.manual_seed(config.seed)
        self.model = task.model.to(self.device)
        if isinstance(task, Carrying) and max(processes.count(), config.accumulate) > 1:
            raise ConfigError("a text that runs on from batch to batch needs one process and train.accumulate = 1.")
        self.optimizer = make_optimizer(self.model, task, config)
        self.mean: RunningMean | None = None  # of the weights, once it has begun
        self.step = self.epoch = self.next_batch = 0
        self.history: list[dict[str, Any]] = []  # one entry a validated epoch
        self._sums: dict[str, float] = {}
        self.steps = Steps(task, config.accumulate, self.device)
        self.steps_of = [len(self.steps.of_epoch(epoch)) for epoch in range(config.epochs)]
        self.total = sum(self.steps_of)

    def run(self, resume: bool = False) -> dict[str, Any]:
        """Train to the end, leave the best weights in the model, return the last log entry.

        Raises CheckpointError when the folder holds another run and `resume` is false, or a damaged state.
        """
        processes.join(self.device)
        self._start(resume)
        processes.same_start(self.model)
        with closing(self.steps.shares(self.epoch, self.next_batch, self._last_epoch)) as shares:
            while self.epoch < self._last_epoch and not self._out_of_patience():
                self._run_epoch(shares)
        return self._finish()

    def _run_epoch(self, shares: Iterator[Share]) -> None:
        """The steps that are left of the epoch, with a checkpoint now and then."""
        saved_at = time.monotonic()
        for share in islice(shares, self.steps_of[self.epoch] - self.next_batch):
            self._train_step(share)
            self.next_batch += 1
            if self.rank == 0 and time.monotonic() - saved_at > self.config.checkpoint_seconds:
                self._save()
                saved_at = time.monotonic()
        self._end_epoch()

    @property
    def _last_epoch(self) -> int:
        return min(self.config.stop_epoch or self.config.epochs, self.config.epochs)

    def _train_step(self, share: Share) -> None:
        started = time.monotonic()
        self.model.train()
        rate = learning_rate(self.step, self.total, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["paces"][self.epoch]
        self.optimizer.zero_grad(set_to_none=True)
        figures: dict[str, float] = {}
        for place, batch in share.batches:
            torch.manual_seed((self.config.seed << 32) + self.step * self.config.accumulate + place)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
                loss, counts = self.task.loss(batch)
            (loss / share.of).backward()
            counts["loss"] = float(loss.detach()) / share.of
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
        self.report(
            {"kind": "step", "step": self.step, "total": self.total, "epoch": self.epoch + 1, "loss": figures["loss"],
             "speed": figures.get("seconds", 0.0) / max(elapsed, 1e-9)}
        )  # fmt: skip

    def _end_epoch(self) -> None:
        """Log, keep the weights for averaging, validate, and save the state that begins the next epoch."""
        sums, self._sums = self._sums, {}
        steps = max(1.0, sums.pop("steps", 1.0))
        entry: dict[str, Any] = {"kind": "epoch", "epoch": self.epoch + 1, "step": self.step}
        entry["loss"] = sums.pop("loss", 0.0) / steps
        entry["gradient_norm"] = sums.pop("norm", 0.0) / steps
        entry |= {key: round(value, 3) for key, value in sums.items()}
        entry["audio_seconds_per_second"] = round(sums.get("seconds", 0.0) / max(sums.get("wall", 0.0), 1e-9), 1)
        self.epoch, self.next_batch = self.epoch + 1, 0
        if self.rank > 0:
            self.history = processes.gather(None)[0]
            return
        weights = self._best_guess()
        write_tensors(self._weights_path(self.epoch), weights)
        self._weights_path(self.epoch - self.config.average).unlink(missing_ok=True)
        if self.epoch % self.config.validate_every == 0 or self.epoch == self._last_epoch:
            entry |= self._validate_with(weights)
            self.history.append(entry)
            if entry[self.task.metric] <= min(past[self.task.metric] for past in self.history):
                write_tensors(self.folder / "best.safetensors", weights)
            self._begin_mean()
        self._log(entry)
        self._save()
        self.report(entry)
        processes.gather(self.history)

    def _best_guess(self) -> dict[str, Tensor]:
        """The running mean of the weights where there is one, else the weights."""
        return self.mean.tensors if self.mean is not None else self.model.state_dict()

    def _begin_mean(self) -> None:
        """Begin the running mean once the figures have not become better for a while."""
        after = self.config.average_after
        if not after or self.mean is not None or len(self.history) <= after:
            return
        figures = [entry[self.task.metric] for entry in self.history]
        if figures[-1] > min(figures[:-after]):
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
        """Figures of the first process, which takes all cores for it: the others are waiting."""
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
        figures = [entry[self.task.metric] for entry in self.history]
        return len(figures) - 1 - figures.index(min(figures)) >= self.config.patience

    def _finish(self) -> dict[str, Any]:
        """Compare the average of the last epochs with the best epoch, and keep the better in the model.

        Only the first process does so: the others' models stay as the last step left them.
        """
        if self.rank > 0:
            return {}
        if not self.history:  # stopped before the first validation
            self.history = [{"kind": "epoch", "epoch": self.epoch, "step": self.step} | self._validate()]
            write_tensors(self.folder / "best.safetensors", self.model.state_dict())
        best = min(self.history, key=lambda entry: entry[self.task.metric])
        weights = [path for path in map(self._weights_path, range(1, self.epoch + 1)) if path.exists()]
        final = {"kind": "final", "step": self.step, "weights": f"epoch {best['epoch']}"}
        final |= {key: value for key, value in best.items() if key not in ("kind", "step", "epoch")}
        if len(weights) > 1:
            self.model.load_state_dict(average_tensors([read_tensors(path) for path in weights]))
            averaged = self._validate()
            if averaged[self.task.metric] <= best[self.task.metric]:
                final |= averaged | {"weights": f"average of epochs {self.epoch - len(weights) + 1}-{self.epoch}"}
            else:
                self.model.load_state_dict(read_tensors(self.folder / "best.safetensors"))
        else:
            self.model.load_state_dict(read_tensors(self.folder / "best.safetensors"))
        self.model.eval()
        self._log(final)
        self.report(final)
        return final

    def _weights_path(self, epoch: int) -> Path:
        return self.folder / "epochs" / f"epoch-{epoch:04d}.safetensors"

    def _log(self, entry: dict[str, Any]) -> None:
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _save(self) -> None:
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        values = {
            "step": self.step, "epoch": self.epoch, "next_batch": self.next_batch, "history": self.history,
            "sums": self._sums, "total": self.total, "seed": self.config.seed,
        }  # fmt: skip
        if self.mean is not None:
            tensors |= {f"mean.{name}": value for name, value in self.mean.tensors.items()}
            values["mean_steps"] = self.mean.steps
        if isinstance(self.task, Carrying):
            tensors |= {f"carried.{name}": value for name, value in self.task.carried().items()}
        save_state(self.folder / "state", self.step, tensors | optimizer_tensors(self.optimizer), values)

    def _start(self, resume: bool) -> None:
        """Begin at the beginning, or where the newest state in the folder stands."""
        found = load_state(self.folder / "state")
        if found is None:
            if self.rank == 0 and (self.folder / "log.jsonl").exists():
                (self.folder / "log.jsonl").unlink()  # left by a run that was killed before its first state
            self.folder.mkdir(parents=True, exist_ok=True)
            return
        if not resume:
            raise CheckpointError(
                f"{self.folder.parent} holds a training run; set `resume` to continue it, or choose another `output`."
            )
        tensors, values = found
        if values["seed"] != self.config.seed or values["total"] != self.total:
            raise CheckpointError(
                f"{self.folder.parent} was trained with another seed, schedule or data; use the same configuration "
                "and manifests to resume, or choose another `output`."
            )
        try:
            self.model.load_state_dict(_beginning(tensors, "model."))
        except RuntimeError:
            raise CheckpointError(
                f"{self.folder.parent} holds a model of other sizes; choose another `output`."
            ) from None
        restore_optimizer(self.optimizer, tensors)
        if "mean_steps" in values:
            self.mean = RunningMean(_beginning(tensors, "mean."), values["mean_steps"]).to(self.device)
        if isinstance(self.task, Carrying):
            self.task.carry_on(_beginning(tensors, "carried."))
        self.step, self.epoch, self.next_batch = values["step"], values["epoch"], values["next_batch"]
        self.history, self._sums = values["history"], values["sums"]
        if self.rank == 0:
            self._trim_log()

    def _trim_log(self) -> None:
        """Drop entries of steps after the state, which will be made again, and a half-written last line."""
        path = self.folder / "log.jsonl"
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry["kind"] != "final" and entry["step"] <= self.step:
                kept.append(line)
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _beginning(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
