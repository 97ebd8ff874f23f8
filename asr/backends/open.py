"""Which backend runs a model."""

from __future__ import annotations

import os
from numbers import Integral
from pathlib import Path

from asr.backends.base import Backend
from asr.errors import ConfigError
from asr.model_package import ModelPackage

BACKENDS = ("auto", "onnx", "torch")


def open_backend(folder: str | Path, *, backend: str = "auto", device: str = "auto", threads: int = 0) -> Backend:
    """The backend of a model folder.

    backend: onnx runs the folder's graph on the CPU, without torch; torch runs every model, on the CPU or a GPU; auto
    is onnx for a folder with a graph unless `device` is a GPU. device: auto, cpu or cuda. threads: of the CPU for one
    call of `log_probs`, 0 for all cores; more than there are cores are
    not used.
    Raises CheckpointError for a folder that cannot be used, ConfigError for a backend or device that is not there.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"unknown backend '{backend}'; use {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}.")
    if not isinstance(threads, Integral) or threads < 0:
        raise ConfigError(f"`threads` must be 0 (all cores) or more, not {threads}.")
    threads = min(int(threads), os.cpu_count() or 1)
    on_cpu = device in ("auto", "cpu")
    if backend == "onnx" and not on_cpu:
        raise ConfigError(f"the onnx backend runs on the CPU, not on '{device}'; use the torch backend.")
    if backend == "onnx" or (backend == "auto" and on_cpu and ModelPackage.open(folder).graph_path is not None):
        from asr.backends.onnx_backend import OnnxBackend

        return OnnxBackend(folder, threads)
    from asr.backends.torch_backend import TorchBackend

    return TorchBackend(folder, device, threads)
