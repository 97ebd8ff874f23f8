"""Which backend runs a model."""

from __future__ import annotations

from pathlib import Path

from asr.backends.base import Backend
from asr.errors import ConfigError

BACKENDS = ("auto", "torch")


def open_backend(folder: str | Path, *, backend: str = "auto", device: str = "auto", threads: int = 0) -> Backend:
    """The backend of a model folder.

    device: auto, cpu or cuda; threads: of the CPU for one call of `log_probs`, 0 for the backend's own choice.
    Raises CheckpointError for a folder that cannot be used, ConfigError for a backend or device that is not there.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"unknown backend '{backend}'; use {' or '.join(BACKENDS)}.")
    from asr.backends.torch_backend import TorchBackend

    return TorchBackend(folder, device, threads)
