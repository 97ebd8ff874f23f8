"""What all model folders share: the configuration file, which names kind and format, and how weights are stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from asr.atomic_file import replacing, write_atomically
from asr.errors import CheckpointError
from asr.json_text import parse_json

FORMAT = 1
LARGEST_WEIGHT = 1e9
LARGEST = 1e15  # of any number in a configuration
BITS = {"float32": 32, "float16": 16, "int8": 8}  # of weights, by the name of how they are stored
SCALE = ".scale"  # added to the name of an 8-bit array: what its rows are multiplied by


def write_config(folder: Path, kind: str, values: dict[str, Any]) -> None:
    """Write the folder's config.json; to be written last, it says that the folder is whole."""
    config = {"format": FORMAT, "type": kind} | values
    write_atomically(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())


def read_config(folder: Path, kind: str | None = None) -> dict[str, Any]:
    """The folder's config.json.

    Raises CheckpointError if it is missing, damaged, of a newer format, or (where `kind` is given) of another kind.
    """
    path = folder / "config.json"
    try:
        values = _checked(parse_json(path.read_text(encoding="utf-8"), parse_constant=_refuse))
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is no model folder: it has no config.json; check the path.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is cut short or damaged ({error}); copy the model again.") from None
    if not isinstance(values, dict) or type(values.get("format")) is not int:
        raise CheckpointError(f"{path} does not describe a model of this program; check the path.")
    if values["format"] > FORMAT:
        raise CheckpointError(
            f"{folder} has checkpoint format {values['format']}, newer than {FORMAT} of this version; update it."
        )
    if kind is not None and values.get("type") != kind:
        raise CheckpointError(f"{folder} holds a model of kind '{values.get('type')}', not '{kind}'; check the path.")
    return values


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _checked(value: Any) -> Any:
    """The value. Raises ValueError where a number in it is beyond what any setting can be."""
    if isinstance(value, dict):
        for entry in value.values():
            _checked(entry)
    elif isinstance(value, list):
        for entry in value:
            _checked(entry)
    elif isinstance(value, (int, float)) and abs(value) > LARGEST:
        raise ValueError("a number is far too large")
    return value


def row_scales(weight: NDArray[np.floating]) -> NDArray[np.float32]:
    """What the integers -127..127 of each row (the first axis) of a weight of 8 bits are multiplied by: (rows,)."""
    largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    scales: NDArray[np.float32] = np.maximum(largest, 1e-12).astype(np.float32) / 127
    return scales


def to_stored(arrays: Mapping[str, NDArray[np.floating]], bits: int) -> dict[str, NDArray[Any]]:
    """A model's weights by name as a folder holds them.

    bits: 32 or 16 for floating point; 8 for integers -127..127 of arrays of two axes or more, with a scale for each row
    (its first axis) under the name and `SCALE`, the rest in 16 bits.
    """
    stored: dict[str, NDArray[Any]] = {}
    for name, value in arrays.items():
        if bits == 8 and value.ndim > 1:
            rows, scale = value.reshape(len(value), -1), row_scales(value)
            stored[name] = np.round(rows / scale[:, None]).astype(np.int8).reshape(value.shape)
            stored[name + SCALE] = scale
        else:
            stored[name] = np.ascontiguousarray(value, np.float32 if bits == 32 else np.float16)
    return stored


def from_stored(stored: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """Arrays by name as float32, those with a `SCALE` beside them multiplied by it."""
    arrays = {name: value.astype(np.float32) for name, value in stored.items() if not name.endswith(SCALE)}
    for name, value in arrays.items():
        if name + SCALE in stored:
            scale = stored[name + SCALE]
            if value.ndim < 1 or scale.shape != value.shape[:1]:
                raise CheckpointError(f"the scales of '{name}' do not fit it; copy the model again.")
            value *= scale.astype(np.float32).reshape(-1, *[1] * (value.ndim - 1))
    return arrays


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name as safetensors, atomically."""
    with replacing(path) as temporary:
        save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, temporary)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays by name from safetensors. Raises CheckpointError if the file is missing, cut short or damaged."""
    try:
        arrays = load_file(path)
        for name, value in arrays.items():
            # As Python's number: half precision cannot hold the limit. The comparison is false of NaN.
            if value.dtype.kind == "f" and not float(np.abs(value).max(initial=0.0)) <= LARGEST_WEIGHT:
                raise ValueError(f"'{name}' holds values that are no numbers, or far too large")
        return arrays
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist; is {path.parent} a model folder?") from None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise CheckpointError(f"{path} is cut short or damaged ({error}); copy it again.") from None
