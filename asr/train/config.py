"""The settings of training, its device, and the schedule of the learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from asr import device
from asr.config import LARGEST, check_ranges, may_change
from asr.errors import ConfigError
from asr.train import processes

RANGES = (
    ("stop_epoch", 0, LARGEST), ("final_lr_share", 0, 1), ("weight_decay", 0, 100), ("average_after", 0, LARGEST),
    ("threads", 0, 1024), ("seed", 0, 2**31 - 1), ("checkpoint_seconds", 0, LARGEST), ("patience", 0, LARGEST),
)  # fmt: skip


@dataclass(frozen=True)
class TrainConfig:
    """How to train; `recipes/*/conf` has examples."""

    epochs: int = 20  # of the schedule, times that all utterances are read
    stop_epoch: int = may_change(0)  # stop after this epoch of the schedule; 0: train all epochs
    peak_lr: float = 2e-3  # the highest learning rate, after the warm-up
    final_lr_share: float = 0.02  # of the peak, at the end of the cosine
    warmup_share: float = 0.1  # of all steps, linear
    weight_decay: float = 1e-2  # of adamw, apart from the gradient; of sgd, in it
    betas: tuple[float, ...] = (0.9, 0.98)  # of adamw's two running means
    optimizer: str = "adamw"  # adamw or sgd
    # After this many validations without improvement, average the weights of all further steps (with sgd: NT-ASGD of
    # Merity et al. 2018); 0: never.
    average_after: int = 0
    clip_norm: float = 1.0  # largest norm of the gradient; longer ones are scaled down to it
    accumulate: int = 1  # batches per optimiser step; several processes divide them among them
    precision: str = "fp32"  # fp32, or bf16 (autocast: GPUs, and CPUs with avx512_bf16 or AMX)
    # Single precision throughout on a GPU, where fp32 otherwise multiplies in 16-bit halves (this package's kernels for
    # LSTMs) or in TF32 (torch's own). It is slower; by how much has not been measured. ASR_KERNELS=off turns off only
    # the kernels.
    exact: bool = False
    device: str = may_change("auto")  # auto, cpu, cuda
    threads: int = may_change(0)  # of each process; 0: the machine's cores divided by the processes
    seed: int = 1  # of all that is drawn: first weights, order, augmentation, dropout
    checkpoint_seconds: float = may_change(120.0)  # between saved training states
    average: int = may_change(5)  # number of last epochs whose weights are averaged at the end; 1: none
    validate_every: int = may_change(1)  # epochs
    patience: int = may_change(0)  # validations without improvement before stopping; 0: never stop early

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "bf16"):
            raise ConfigError(f"train.precision must be fp32 or bf16, not {self.precision!r}.")
        if self.exact and self.precision != "fp32":
            raise ConfigError("train.exact is single precision throughout; leave it out with train.precision = 'bf16'.")
        if self.optimizer not in ("adamw", "sgd"):
            raise ConfigError(f"train.optimizer must be adamw or sgd, not {self.optimizer!r}.")
        if min(self.epochs, self.accumulate, self.average, self.validate_every) < 1:
            raise ConfigError("train.epochs, accumulate, average and validate_every must be at least 1.")
        if not 0 < self.peak_lr < 100 or not 0 <= self.warmup_share < 1:
            raise ConfigError("train.peak_lr must lie in 0..100 and train.warmup_share in 0..1.")
        check_ranges(self, "train.", RANGES)
        if not self.clip_norm > 0:
            raise ConfigError(f"train.clip_norm must be above 0, not {self.clip_norm:g}.")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError("train.betas must be two numbers from 0 to below 1.")

    @property
    def last_epoch(self) -> int:
        """The epoch, from 1, after which training stops."""
        return min(self.stop_epoch or self.epochs, self.epochs)


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is this process's GPU where there is one. Raises ConfigError."""
    return device.choose_device(name, processes.local_rank())


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """The rate of a step: linear warm-up, then half a cosine down to `final_lr_share` of the peak."""
    warmup = max(1, round(config.warmup_share * total))
    if step < warmup:
        return config.peak_lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    low = config.final_lr_share
    return config.peak_lr * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))
