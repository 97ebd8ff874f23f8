"""The device that torch computes on."""

from __future__ import annotations

import torch

from asr.errors import ConfigError


def choose_device(name: str, index: int = 0) -> torch.device:
    """The device of that name; `auto` is GPU number `index` where there is a GPU, else the CPU.

    Raises ConfigError for a device that torch does not know or that is not there.
    """
    if name == "auto":
        return torch.device("cuda", index) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"unknown device '{name}'; use auto, cpu or cuda.") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device '{name}' cannot be used; use auto, cpu or cuda.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device '{name}' was asked for, but no GPU can be used here; set `device` to cpu.")
    return device
