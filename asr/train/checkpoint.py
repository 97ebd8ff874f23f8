"""Training states and weights on disk: whole or absent, never pickled."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from asr.atomic_file import replacing, sync_folder, write_atomically
from asr.errors import CheckpointError
from asr.json_text import parse_json

STATE_PREFIX = "step-"


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically. Tied weights are written under each of their names."""
    written: dict[str, Tensor] = {}
    places = set()
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        written[name] = value.clone() if value.data_ptr() in places else value
        places.add(value.data_ptr())
    with replacing(path) as temporary:
        save_file(written, temporary)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors. Raises CheckpointError if the file is missing, cut short or damaged."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist; is {path.parent} a model folder?") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is cut short or damaged ({error}); copy it again.") from None


def save_state(folder: Path, step: int, tensors: dict[str, Tensor], values: dict[str, Any], keep: int = 1) -> None:
    """Save a training state as `folder/step-N/`, then remove all but the newest `keep` states.

    At every moment the folder has a whole state, once it has one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".tmp-{step}-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        write_tensors(temporary / "tensors.safetensors", tensors)
        write_atomically(temporary / "values.json", json.dumps(values).encode())
        temporary.rename(_next_name(folder, step))
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder)
    for old in _states(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    for stale in folder.glob(".tmp-*"):
        shutil.rmtree(stale, ignore_errors=True)


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest training state in `folder`, or None if there is none. Raises CheckpointError if it is damaged."""
    states = _states(folder)
    if not states:
        return None
    newest = states[-1]
    tensors = read_tensors(newest / "tensors.safetensors")
    try:
        return tensors, parse_json((newest / "values.json").read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"training state {newest} is damaged ({error}); remove it to use an older one.") from None


def saved_epoch(folder: Path) -> int | None:
    """The epoch, from 1, that the newest training state in `folder` is of; None if there is none."""
    states = _states(folder)
    try:
        return int(parse_json((states[-1] / "values.json").read_text())["epoch"]) + 1 if states else None
    except (OSError, ValueError, KeyError):
        return None  # a damaged state, which loading it names


def _next_name(folder: Path, step: int) -> Path:
    """The name for a new state of `step`: it sorts after the others of that step, which are removed only later."""
    name = f"{STATE_PREFIX}{step:09d}"
    others = sorted(path.name.removeprefix(name) for path in folder.glob(f"{name}*"))
    return folder / (f"{name}-{int(others[-1].removeprefix('-') or 1) + 1:06d}" if others else name)


def _states(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{STATE_PREFIX}*")) if folder.is_dir() else []


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's per-parameter state as named tensors."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{index}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for index, entries in state.items()
        for name, value in entries.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load what `optimizer_tensors` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
