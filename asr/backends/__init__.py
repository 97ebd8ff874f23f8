"""What runs acoustic models."""

from __future__ import annotations

from pathlib import Path

from asr.backends.base import Backend
from asr.errors import ConfigError

__all__ = ["Backend", "open_backend"]

BACKENDS = ("auto", "torch")


def open_backend(folder: str | Path, *, backend: str = "auto", device: str = "auto", threads: int = 0) -> Backend:
    """A backend that runs the model in a folder.

    threads: of the CPU, for this backend's own calls; 0 for all cores. Raises ConfigError for an unknown backend,
    CheckpointError for a folder that cannot be used.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"there is no backend '{backend}'; choose one of {', '.join(BACKENDS)}.")
    from asr.backends.torch_backend import TorchBackend

    return TorchBackend(Path(folder), device, threads)
