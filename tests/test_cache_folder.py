"""Caches lie in the user's cache folder alone; only what is whole and could be written by nobody else is used."""

from __future__ import annotations

import json
import multiprocessing
import os
import pwd
import re
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from asr import atomic_file, cache_folder
from asr.cache_folder import SUFFIX, cached_arrays, cached_files
from asr.errors import TextError


class Maker:
    """Makes arrays, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, np.ndarray]:
        self.calls += 1
        return {
            "keys": np.arange(1000, dtype=np.uint64),
            "table": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
            "empty": np.zeros((0, 2), np.int32),
            "order": np.array([3]),
            "words": np.frombuffer("a naïve zoë".encode(), np.uint8),
        }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.arpa"
    path.write_text("the source")
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's empty cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def _files(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())


def _assert_equal(found: dict[str, np.ndarray]) -> None:
    wanted = Maker()()
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype


def test_a_reader_removes_what_a_killed_process_left(home: Path, source: Path) -> None:
    cached_arrays(source, "model", "1", Maker())
    (place,) = _files(home)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = place.parent / re.sub(r"-\d+-\d+\.tmp", f"-{ended.pid}-0.tmp", f".{atomic_file.temporary_name()}")
    left.touch()
    atomic_file._searched.clear()  # as another process would begin
    make = Maker()
    _assert_equal(cached_arrays(source, "model", "1", make))
    assert make.calls == 0
    assert _files(home) == [place]


def test_the_second_call_reads_what_the_first_one_made(home: Path, source: Path) -> None:
    make = Maker()
    for _ in range(2):
        _assert_equal(cached_arrays(source, "model", "1", make))
    assert make.calls == 1
    assert [path.suffix for path in _files(home)] == [SUFFIX]
    assert set(source.parent.iterdir()) == {source, home}, "something was written beside the source"


def test_arrays_from_a_cache_are_aligned_and_writing_to_them_leaves_the_cache(home: Path, source: Path) -> None:
    make = Maker()
    cached_arrays(source, "model", "1", make)
    found = cached_arrays(source, "model", "1", make)
    assert all(value.ctypes.data % 64 == 0 for value in found.values() if value.size)
    found["keys"][:] = 7
    _assert_equal(cached_arrays(source, "model", "1", make))
    assert make.calls == 1


def test_another_version_size_or_time_is_made_again(home: Path, source: Path) -> None:
    make = Maker()
    cached_arrays(source, "model", "1", make)
    cached_arrays(source, "model", "2", make)
    source.write_text("the source, longer")
    cached_arrays(source, "model", "2", make)
    os.utime(source, ns=(1, 1))
    cached_arrays(source, "model", "2", make)
    assert make.calls == 4


def test_arrays_of_two_files_are_made_again_when_either_changes(home: Path, source: Path) -> None:
    make, other = Maker(), source.with_name("lexicon.txt")
    other.write_text("the other")
    cached_arrays(source, "model", "1", make)
    for change, calls in ((None, 2), (None, 2), (other, 3), (source, 4), (None, 4)):
        if change is not None:
            change.write_text("something else")
        _assert_equal(cached_arrays(source, "model", "1", make, also=[other]))
        assert make.calls == calls
    assert len(_files(home)) == 2


def test_any_damage_is_noticed_and_mended(home: Path, source: Path) -> None:
    """Every byte of a small cache flipped in turn, and every length of it."""

    def make() -> dict[str, np.ndarray]:
        return {"words": np.array([1, 2, 3], np.int32)}

    cached_arrays(source, "model", "1", make)
    (place,) = _files(home)
    whole = place.read_bytes()
    for number in range(len(whole)):
        place.write_bytes(whole[:number] + bytes([whole[number] ^ 0x10]) + whole[number + 1 :])
        assert cache_folder._read(place, _stamp(source)) is None, f"byte {number}"
    for length in range(len(whole)):
        place.write_bytes(whole[:length])
        assert cache_folder._read(place, _stamp(source)) is None, f"{length} bytes"
    np.testing.assert_array_equal(cached_arrays(source, "model", "1", make)["words"], [1, 2, 3])
    assert place.read_bytes() == whole


def _stamp(source: Path) -> dict[str, object]:
    status = source.stat()
    return {"version": "1", "files": [[status.st_size, status.st_mtime_ns]]}


@pytest.mark.parametrize("which", ["folder", "file"])
@pytest.mark.parametrize("bit", [stat.S_IWGRP, stat.S_IWOTH])
def test_what_others_may_write_to_is_not_used(home: Path, source: Path, which: str, bit: int) -> None:
    make = Maker()
    cached_arrays(source, "model", "1", make)
    (place,) = _files(home)
    target = place.parent if which == "folder" else place
    target.chmod(target.stat().st_mode | bit)
    _assert_equal(cached_arrays(source, "model", "1", make))
    assert make.calls == 2


@pytest.mark.parametrize("which", ["folder", "file"])
def test_what_belongs_to_somebody_else_is_not_used(
    home: Path, source: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Maker()
    cached_arrays(source, "model", "1", make)
    (place,) = _files(home)
    if which == "folder":
        monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    else:
        own = os.fstat
        monkeypatch.setattr(
            os, "fstat", lambda number: os.stat_result((*own(number)[:4], os.geteuid() + 1, *own(number)[5:]))
        )
    _assert_equal(cached_arrays(source, "model", "1", make))
    assert make.calls == 2
    assert _files(home) == [place]


def test_a_link_in_place_of_a_cache_is_not_followed(home: Path, source: Path) -> None:
    make = Maker()
    cached_arrays(source, "model", "1", make)
    (place,) = _files(home)
    elsewhere = source.parent / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    cached_arrays(source, "model", "1", make)
    assert make.calls == 2
    assert not place.is_symlink()


def test_the_folder_is_created_for_the_user_alone(home: Path, source: Path) -> None:
    before = os.umask(0)
    try:
        cached_arrays(source, "model", "1", Maker())
    finally:
        os.umask(before)
    (place,) = _files(home)
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_without_a_home_arrays_stay_in_memory(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> pwd.struct_passwd:
        raise KeyError("no such user")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    make = Maker()
    for _ in range(2):
        _assert_equal(cached_arrays(source, "model", "1", make))
    assert make.calls == 2
    assert list(source.parent.iterdir()) == [source]


def test_a_home_that_does_not_exist_is_not_created(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(source.parent / "nobody"))
    _assert_equal(cached_arrays(source, "model", "1", Maker()))
    assert list(source.parent.iterdir()) == [source]


def test_a_relative_cache_home_is_ignored(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the XDG Base Directory Specification asks for."""
    monkeypatch.chdir(source.parent)
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(source.parent))
    cached_arrays(source, "model", "1", Maker())
    assert not (source.parent / "here").exists()
    assert (source.parent / ".cache" / cache_folder.NAME).is_dir()


def test_a_file_where_the_folder_should_be_keeps_arrays_in_memory(home: Path, source: Path) -> None:
    home.write_text("")
    _assert_equal(cached_arrays(source, "model", "1", Maker()))


def test_a_full_disk_keeps_arrays_in_memory(home: Path, source: Path) -> None:
    """The limit on a file's size stands for the disk's: both fail in the middle of writing."""
    make = Maker()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        _assert_equal(cached_arrays(source, "model", "1", make))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert _files(home) == []
    _assert_equal(cached_arrays(source, "model", "1", make))
    assert make.calls == 2


@pytest.mark.parametrize("call", ["mkdir", "open", "replace"])
def test_a_read_only_folder_keeps_arrays_in_memory(
    home: Path, source: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated, as the superuser may write anywhere."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    owner = {"mkdir": Path, "open": os, "replace": os}[call]
    monkeypatch.setattr(owner, call, refuse)
    _assert_equal(cached_arrays(source, "model", "1", Maker()))
    assert not home.exists() or _files(home) == []


def test_a_missing_source_is_named(home: Path, tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"lexicon .*gone\.txt does not exist"):
        cached_arrays(tmp_path / "gone.txt", "lexicon", "1", Maker())


def test_caches_that_nobody_used_for_months_are_removed(home: Path, source: Path) -> None:
    cached_arrays(source, "model", "1", Maker())
    (place,) = _files(home)
    old, left = place.with_name(f"old{SUFFIX}"), place.with_name(".killed.tmp")
    for path, days in ((old, 91), (left, 2), (place, 89)):
        path.touch()
        os.utime(path, (time.time() - days * 86400,) * 2)
    cached_arrays(source, "model", "1", Maker())  # used again, and so kept
    assert time.time() - place.stat().st_mtime < 60
    other = source.with_name("other.arpa")
    other.write_text("")
    cached_arrays(other, "model", "1", Maker())
    assert not old.exists()
    assert not left.exists()
    assert place.exists()


def _race(source: Path, barrier: object, results: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    for version in range(20):
        found = cached_arrays(source, "model", str(version // 2), Maker())
        results.put(all(np.array_equal(found[name], value) for name, value in Maker()().items()))  # type: ignore[attr-defined]


def test_two_processes_at_once_get_whole_arrays(home: Path, source: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_race, args=(source, barrier, results)) for _ in range(2)]
    for process in processes:
        process.start()
    assert all(results.get(timeout=60) for _ in range(40))
    for process in processes:
        process.join()
    assert [path.suffix for path in _files(home)] == [SUFFIX]


def test_a_cache_of_other_arrays_is_made_anew(home: Path, source: Path) -> None:
    make = Maker()
    forms = {name: (array.dtype.str, array.ndim) for name, array in make().items()}
    cached_arrays(source, "model", "1", make, forms)
    _assert_equal(cached_arrays(source, "model", "1", make, forms))
    assert make.calls == 2
    _assert_equal(cached_arrays(source, "model", "1", make, forms | {"order": ("<f8", 1)}))
    assert make.calls == 3


@pytest.mark.parametrize("change", [(1, [1 << 70]), (1, [-1 << 40]), (2, 1 << 70), (2, -(1 << 70)), (1, "abc"), (0, 3)])
def test_a_cache_whose_table_is_nonsense_is_made_anew(home: Path, source: Path, change: tuple[int, object]) -> None:
    """Its checksum is right: it was written so, not damaged."""
    make = Maker()
    cached_arrays(source, "model", "1", make)
    (place,) = _files(home)
    data = place.read_bytes()
    start, checked = cache_folder.PREFIX, cache_folder.CHECKED
    end = start + int.from_bytes(data[checked:start])
    header = json.loads(data[start:end])
    header["arrays"]["keys"][change[0]] = change[1]
    text = json.dumps(header).encode()
    rest = len(text).to_bytes(start - checked) + text + data[end:]
    magic = cache_folder.MAGIC
    place.write_bytes(magic + bytes(checked - len(magic)) + rest)
    place.write_bytes(magic + cache_folder._checksum(place.read_bytes()) + rest)
    _assert_equal(cached_arrays(source, "model", "1", make))
    assert make.calls == 2


class FileMaker:
    """Writes two files into a folder, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "graph").write_bytes(b"graph" * 100)
        (folder / "weights").write_bytes(bytes(range(200)))
        (folder / "weights").chmod(0o664)  # as a generous umask would have it


def test_files_are_made_once_and_again_when_a_source_or_the_version_changes(home: Path, source: Path) -> None:
    make, other = FileMaker(), source.with_name("other")
    other.write_text("the other")
    for change, version, calls in ((None, "1", 1), (None, "1", 1), (other, "1", 2), (None, "2", 3), (None, "2", 3)):
        if change is not None:
            change.write_text("something else")
        folder = cached_files([source, other], version, make)
        assert folder is not None
        assert (folder / "graph").read_bytes() == b"graph" * 100
        assert make.calls == calls
    assert len({path.parent for path in _files(home)}) == 1, "something was left behind"
    assert cached_files([source, home / "missing"], "1", make) is None


def test_damaged_missing_or_foreign_files_are_made_again(home: Path, source: Path) -> None:
    make = FileMaker()
    folder = cached_files([source], "1", make)
    assert folder is not None
    harms = [
        lambda: (folder / "weights").write_bytes(bytes(200)),
        lambda: (folder / "graph").unlink(),
        lambda: (folder / "stamp.json").write_text("{}"),
        lambda: (folder / "graph").chmod(0o666),
        lambda: folder.chmod(0o777),
    ]
    for calls, harm in enumerate(harms, 2):
        harm()
        assert cached_files([source], "1", make) == folder
        assert (folder / "weights").read_bytes() == bytes(range(200))
        assert make.calls == calls


def test_files_that_another_process_made_meanwhile_are_used(home: Path, source: Path) -> None:
    other = FileMaker()

    def make(folder: Path) -> None:
        assert cached_files([source], "1", other) is not None
        FileMaker()(folder)

    folder = cached_files([source], "1", make)
    assert folder is not None
    assert (folder / "graph").exists()
    assert other.calls == 1
    assert cached_files([source], "1", other) == folder
    assert other.calls == 1


def test_where_nothing_can_be_written_there_are_no_files(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> None:
        raise OSError("no space left on device")

    assert cached_files([source], "1", full) is None
    assert _files(home) == []
    monkeypatch.setenv("XDG_CACHE_HOME", str(source))  # which is no folder
    assert cached_files([source], "1", FileMaker()) is None
