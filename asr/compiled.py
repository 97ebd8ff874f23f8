"""Functions compiled by Numba, whose machine code later runs read from the user's cache folder.

Numba's own cache looks at the file that a function stands in, not at those that it calls into. Here the folder's name
holds a hash of all modules with compiled functions, so that a change in any of them compiles all again and never mixes
with old code. Where nothing can be stored (no home, a read-only or full disk), each run compiles for itself.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from asr.cache_folder import cache_folder

Function = Callable[..., Any]  # compiled functions take what Numba infers


def compile_cached(**options: Any) -> Callable[[Function], Function]:
    """A decorator: `numba.njit(nogil=True)` with a cache that never fails.

    `_nrt=False` is for functions that allocate nothing: without it, every call counts the references of every array it
    passes, atomically.
    """
    import numba

    compiling = numba.njit(nogil=True, **options)

    def compiled(function: Function) -> Function:
        dispatcher = compiling(function)
        folder = _code_folder()
        if folder is not None:
            _attach_cache(dispatcher, folder)
        result: Function = dispatcher
        return result

    return compiled


def compiled_modules() -> list[Path]:
    """The package's modules that have compiled functions."""
    modules = sorted(Path(__file__).parent.rglob("*.py"))
    return [path for path in modules if path != Path(__file__) and b"compile_cached" in path.read_bytes()]


@cache
def _code_folder() -> Path | None:
    """The folder for machine code of these sources, this Python and this Numba; None where there can be none."""
    import numba

    digest = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    for path in compiled_modules():
        digest.update(path.read_bytes())
    return cache_folder(f"numba-{digest.hexdigest()[:16]}")


@cache
def _forgiving_cache() -> Any:
    """Numba's cache of functions as a class whose failures to read or write are no errors."""
    from numba.core.caching import FunctionCache

    class ForgivingCache(FunctionCache):
        def load_overload(self, sig: Any, target_context: Any) -> Any:
            numba_cache: Any = super()
            try:
                return numba_cache.load_overload(sig, target_context)
            except Exception:  # a damaged file: unpickling raises whatever it meets
                with suppress(Exception):
                    numba_cache.flush()
                return None

        def save_overload(self, sig: Any, data: Any) -> None:
            numba_cache: Any = super()
            with suppress(OSError):  # a full disk: the function is compiled all the same
                numba_cache.save_overload(sig, data)

    return ForgivingCache


def _attach_cache(dispatcher: Any, folder: Path) -> None:
    """Let a compiled function keep its machine code in `folder`, leaving Numba's settings as the process has them."""
    import numba

    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        kept = _forgiving_cache()(dispatcher.py_func)
    except (OSError, RuntimeError):
        return  # not writable: Numba says so with a RuntimeError
    finally:
        config.CACHE_DIR = before
    if Path(kept.cache_path).is_relative_to(folder):  # else Numba would write into the package
        dispatcher._cache = kept
