"""Where the code that Numba compiles for training is kept: one folder for each state of the sources.

Numba's own cache looks at the time stamp of the file a function stands in, not of those it calls into. The folder's
name holds a hash of all compiled modules, so that a change in any of them compiles anew and never mixes with old code.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Modules with compiled functions, below asr/
SOURCES = ("acoustic/crf_passes.py", "nn/mixed_lstm.py")


def user_cache() -> Path:
    """The user's cache folder for this program (XDG_CACHE_HOME, else ~/.cache), not necessarily existing."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lstm-asr"


def writable(folder: Path) -> bool:
    """Whether files can be made in `folder`, which is created if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _cache_folder() -> Path | None:
    import numba

    digest = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    package = Path(__file__).parent
    for source in SOURCES:
        digest.update((package / source).read_bytes())
    folder = user_cache() / f"numba-{digest.hexdigest()[:16]}"
    return folder if writable(folder) else None


_FOLDER: list[Path | None] = []  # found on first use


def _folder() -> Path | None:
    if not _FOLDER:
        _FOLDER.append(_cache_folder())
    return _FOLDER[0]


def compile_cached(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit(nogil=True)` with its cache in the folder above, or without a cache where none can be written.

    `_nrt=False` is for functions that allocate nothing: without it, every call counts the references of every array it
    passes, atomically.
    """
    import numba

    folder = _folder()
    if folder is not None:
        numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return numba.njit(nogil=True, cache=folder is not None, **options)
