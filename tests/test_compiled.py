"""Compiled functions give the same with a cache and without one, and never fail for the cache's sake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asr import compiled
from asr.compiled import compile_cached, compiled_modules


def _twice(values):  # type: ignore[no-untyped-def]
    total = 0.0
    for value in values:
        total += 2 * value
    return total


def _is_right(function) -> bool:  # type: ignore[no-untyped-def]
    return function(np.array([1.0, 2.5])) == 7.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for machine code, empty."""
    monkeypatch.setattr(compiled, "_code_folder", lambda: tmp_path)
    return tmp_path


def _code(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.nb*"))


def test_machine_code_is_kept_and_read_again(folder: Path) -> None:
    import numba

    before = numba.config.CACHE_DIR
    for _ in range(2):
        function = compile_cached()(_twice)
        assert _is_right(function)
    assert function.stats.cache_hits
    assert [path.suffix for path in _code(folder)] == [".nbc", ".nbi"]
    assert before == numba.config.CACHE_DIR, "a host program's own compiled functions are none of ours"


@pytest.mark.parametrize("damage", [b"", b"\x80\x05garbage", b"\x00" * 200])
def test_a_damaged_cache_is_compiled_anew(folder: Path, damage: bytes) -> None:
    assert _is_right(compile_cached()(_twice))
    for path in _code(folder):
        path.write_bytes(damage)
    assert _is_right(compile_cached()(_twice))
    function = compile_cached()(_twice)
    assert _is_right(function)
    assert function.stats.cache_hits, "the cache was not mended"


def test_a_full_disk_compiles_without_a_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.caching import IndexDataCacheFile

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)
    assert _is_right(compile_cached()(_twice))


def test_a_folder_that_vanished_or_is_read_only_compiles_without_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(compiled, "_code_folder", lambda: blocked)
    assert _is_right(compile_cached()(_twice))
    assert not list(Path(__file__).parent.rglob("__pycache__/*.nb*")), "machine code was written beside the sources"


def test_without_a_home_functions_are_compiled_for_this_run_alone(tmp_path: Path) -> None:
    program = (
        "import pwd\n"
        "def unknown(_): raise KeyError\n"
        "pwd.getpwuid = unknown\n"
        "from asr.compiled import _code_folder, compile_cached\n"
        "assert _code_folder() is None\n"
        "assert compile_cached()(lambda x: x + 1)(2) == 3\n"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, cwd=tmp_path)


def test_every_module_with_compiled_functions_counts_for_the_folder() -> None:
    package = Path(compiled.__file__).parent
    users = {path for path in package.rglob("*.py") if "import compile_cached" in path.read_text()}
    assert users <= set(compiled_modules())
    assert users
