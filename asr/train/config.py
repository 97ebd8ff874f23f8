"""How to train: the numbers, the device, the learning rate's way."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from asr import device
from asr.errors import ConfigError
from asr.train import processes


@dataclass(frozen=True)
class TrainConfig:
    """How to train; see `configs` in the recipes for examples."""

    epochs: int = 20
    stop_epoch: int = 0  # end there, as the schedule of all epochs has it; 0: do not
    peak_lr: float = 2e-3
    final_lr_share: float = 0.02  # the cosine ends at this share of the peak
    warmup_share: float = 0.1  # of all steps, linear
    weight_decay: float = 1e-2
    betas: tuple[float, ...] = (0.9, 0.98)
    optimizer: str = "adamw"  # adamw or sgd
    # Validations without a better figure before the weights of all further steps are averaged (with sgd: NT-ASGD of
    # Merity et al. 2018); 0: they are not.
    average_after: int = 0
    clip_norm: float = 1.0
    accumulate: int = 1  # batches per optimiser step; several processes share them out
    precision: str = "fp32"  # fp32, or bf16 (autocast: GPUs, and CPUs with avx512_bf16 or AMX)
    device: str = "auto"  # auto, cpu, cuda
    threads: int = 0  # of each process; 0: as many as the machine has for each
    seed: int = 1
    checkpoint_seconds: float = 120.0  # between saved training states
    average: int = 5  # weights of the last epochs averaged at the end; 1: none
    validate_every: int = 1  # epochs
    patience: int = 0  # validations without a better figure before stopping; 0: never stop early

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "bf16"):
            raise ConfigError(f"train.precision must be fp32 or bf16, not {self.precision!r}.")
        if self.optimizer not in ("adamw", "sgd"):
            raise ConfigError(f"train.optimizer must be adamw or sgd, not {self.optimizer!r}.")
        if min(self.epochs, self.accumulate, self.average, self.validate_every) < 1:
            raise ConfigError("train.epochs, accumulate, average and validate_every must be at least 1.")
        if not 0 < self.peak_lr < 100 or not 0 <= self.warmup_share < 1:
            raise ConfigError("train.peak_lr must lie in 0..100 and train.warmup_share in 0..1.")


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is this process's GPU where there is one. Raises ConfigError."""
    return device.choose_device(name, processes.local_rank())


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """Linear warm-up, then half a cosine down to `final_lr_share` of the peak."""
    warmup = max(1, round(config.warmup_share * total))
    if step < warmup:
        return config.peak_lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    low = config.final_lr_share
    return config.peak_lr * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))
