"""The configuration file of a model folder: what kind of model it holds, and in which format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asr.atomic_file import write_atomically
from asr.errors import CheckpointError

FORMAT = 1


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
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is no model folder: it has no config.json; check the path.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is cut short or damaged ({error}); copy the model again.") from None
    if not isinstance(values, dict) or not isinstance(values.get("format"), int):
        raise CheckpointError(f"{path} does not describe a model of this program; check the path.")
    if values["format"] > FORMAT:
        raise CheckpointError(
            f"{folder} has checkpoint format {values['format']}, newer than {FORMAT} of this version; update it."
        )
    if kind is not None and values.get("type") != kind:
        raise CheckpointError(f"{folder} holds a model of kind '{values.get('type')}', not '{kind}'; check the path.")
    return values
