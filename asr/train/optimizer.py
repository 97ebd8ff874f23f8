"""The optimiser of a run, its parameters grouped by how fast they learn."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from asr.train.config import TrainConfig
from asr.train.task import HasRateFactors, Task


def make_optimizer(model: nn.Module, task: Task, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW or plain SGD. The list `rate_factors` of each group has the factor of its learning rate in every epoch."""
    rate_factor = task.rate_factor if isinstance(task, HasRateFactors) else None
    grouped: dict[tuple[float, ...], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        factors = tuple(
            1.0 if rate_factor is None else float(rate_factor(name, epoch)) for epoch in range(config.epochs)
        )
        grouped.setdefault(factors, []).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": members, "rate_factors": factors} for factors, members in grouped.items()
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.peak_lr, weight_decay=config.weight_decay, fused=True)
    betas = (config.betas[0], config.betas[1])
    # Fused, since the unfused one's passes over memory took a quarter of a language model's step.
    return torch.optim.AdamW(groups, lr=config.peak_lr, betas=betas, weight_decay=config.weight_decay, fused=True)
