"""Arrays made from a file, kept for later runs and mapped into memory by them.

A cache lies beside its file if that folder can be written, else in the user's cache folder, else nowhere. It is used
only if the file's size and time of change are still the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from asr.compiled import user_cache, writable
from asr.errors import TextError

Arrays = dict[str, Any]


def cached_arrays(path: Path, what: str, version: str, make: Callable[[], Arrays]) -> Arrays:
    """What `make` returns for the file at `path`, or what an earlier run kept of it.

    what: names the kind of file in an error. version: of the arrays' meaning; another one is made anew. Raises
    TextError if the file is missing, and whatever `make` raises.
    """
    try:
        stat = path.stat()
    except OSError:
        raise TextError(f"{what} {path} does not exist; check the path.") from None
    stamp = {"version": version, "size": str(stat.st_size), "changed": str(stat.st_mtime_ns)}
    for place in _places(path):
        if (found := _read(place, stamp)) is not None:
            return found
    arrays = make()
    for place in _places(path):
        if writable(place.parent) and _write(place, stamp, arrays):
            break
    return arrays


def pack_words(words: list[str]) -> Any:
    """Words as an array of bytes."""
    return np.frombuffer("\n".join(words).encode(), np.uint8)


def unpack_words(packed: Any) -> list[str]:
    """What `pack_words` packed."""
    return str(packed.tobytes().decode("utf-8")).split("\n")


def _places(path: Path) -> list[Path]:
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    return [path.with_name(f".{path.name}.tables"), user_cache() / f"{name}.tables"]


def _read(place: Path, stamp: dict[str, str]) -> Arrays | None:
    from safetensors import SafetensorError, safe_open

    if not place.exists():
        return None
    try:
        with safe_open(place, framework="np") as file:
            if {key: value for key, value in (file.metadata() or {}).items() if key in stamp} != stamp:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError):
        return None  # a damaged cache is as good as none: it is made again


def _write(place: Path, stamp: dict[str, str], arrays: Arrays) -> bool:
    from safetensors.numpy import save_file

    temporary = place.with_name(f"{place.name}.{os.getpid()}.tmp")
    try:
        save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, temporary, metadata=stamp)
        os.replace(temporary, place)
    except OSError:
        temporary.unlink(missing_ok=True)
        return False
    return True
