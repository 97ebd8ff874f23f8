"""Where caches lie, and arrays derived from a file that later runs read from there.

Everything lies in the user's cache folder (`$XDG_CACHE_HOME/lstm-asr`, else `~/.cache/lstm-asr`), nothing beside the
user's files or in the package. Compiled code trusts what it reads from a cache, so a cache is used only if the folder
and the file belong to this user and nobody else may write to them, and if its checksum is right. Where there is no such
folder (no home, a read-only or full disk), arrays stay in memory and are made again by the next run.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import shutil
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr._native import checksum
from asr.atomic_file import remove_leftovers, temporary_name
from asr.errors import TextError
from asr.json_text import parse_json

Arrays = dict[str, Any]  # of NumPy arrays; callers know their element types

Form = tuple[str, int]  # of an array: its type as NumPy writes it, and its axes

NAME = "lstm-asr"
# A cache of arrays: MAGIC, the checksum of all that follows (8 bytes), the header's length (8 bytes), the header (JSON:
# the stamp, and type, shape and offset of each array), the arrays.
MAGIC = b"ASRCACH2"
CHECKED = len(MAGIC) + 8  # where what the checksum is of begins
PREFIX = CHECKED + 8
ALIGNMENT = 64  # bytes; each array begins at a multiple of it
SUFFIX = ".tables"
FOLDER_SUFFIX = ".files"
STAMP = "stamp.json"  # in a cache of files: the stamp, and the checksum of each file
UNUSED_SECONDS = 90 * 86400.0  # caches not used for so long are removed
TOUCH_SECONDS = 86400.0  # a cache's time stamp is renewed at most this often


def cache_folder(*parts: str) -> Path | None:
    """The folder `parts` within the user's cache folder, created if need be, or None where there can be none.

    Each folder of the program is created for the user alone. None is returned for one that belongs to somebody else or
    that others may write to.
    """
    base = _base()
    if base is None:
        return None
    folder = base
    for part in (NAME, *parts):
        folder = folder / part
        try:
            folder.mkdir(mode=0o700, parents=folder.parent == base, exist_ok=True)
            if not _is_private(folder.stat()):
                return None
        except OSError:
            return None
    remove_leftovers(folder)  # by readers too: after a kill there may be nothing more to write
    return folder


def cached_arrays(
    path: Path, what: str, version: str, make: Callable[[], Arrays], forms: Mapping[str, Form] | None = None,
    also: Sequence[Path] = (),
) -> Arrays:  # fmt: skip
    """What `make` returns for the file at `path`, read from an earlier run's cache where there is one.

    what: names the kind of file in an error. version: of the arrays' meaning; a cache of another version is not used.
    forms: the type and number of axes of each array; a cache of others is not used. also: other files that the arrays
    depend on; a cache of several files lies beside those of each.
    Arrays from a cache are mapped into memory; writing to them changes neither the cache nor other processes.
    Raises TextError if the file is missing, and whatever `make` raises.
    """
    paths = [path, *also]
    try:
        stamp = _stamp(paths, version)
    except OSError:
        raise TextError(f"{what} {path} does not exist; check the path.") from None
    folder = cache_folder()
    if folder is None:
        return make()
    place = _place(folder, paths, SUFFIX)
    arrays = _read(place, stamp)
    if arrays is None or (forms is not None and forms != {name: _form(array) for name, array in arrays.items()}):
        arrays = make()
        _write(place, stamp, arrays)
    return arrays


def cached_files(paths: Sequence[Path], version: str, make: Callable[[Path], None]) -> Path | None:
    """A folder with the files that `make` wrote into it for the files at `paths`, perhaps in an earlier run.

    None where there can be no such folder. version: as in `cached_arrays`. Raises what `make` raises.
    """
    parent = cache_folder()
    try:
        stamp = _stamp(paths, version)
    except OSError:
        return None  # `make`'s caller says which file is missing
    if parent is None:
        return None
    place = _place(parent, paths, FOLDER_SUFFIX)
    if _is_whole(place, stamp):
        return place
    temporary = parent / f".{temporary_name()}"
    try:
        temporary.mkdir(mode=0o700)
    except OSError:
        return None
    try:
        make(temporary)
        files = {path.name: _file_checksum(path) for path in temporary.iterdir()}
        (temporary / STAMP).write_text(json.dumps({"stamp": stamp, "files": files}))
        for path in temporary.iterdir():
            path.chmod(0o600)
        if place.exists():  # of another state of the files; no folder can be put in the place of another
            os.replace(place, temporary / "before")
        os.replace(temporary, place)
        shutil.rmtree(place / "before", ignore_errors=True)
    except OSError:  # a full disk, or another process was faster
        return place if _is_whole(place, stamp) else None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _remove_unused(parent)
    return place


def _stamp(paths: Sequence[Path], version: str) -> dict[str, Any]:
    """What a cache must have been made of. Raises OSError if one of `paths` is missing."""
    states = [path.stat() for path in paths]
    return {"version": version, "files": [[state.st_size, state.st_mtime_ns] for state in states]}


def _place(folder: Path, paths: Sequence[Path], suffix: str) -> Path:
    names = b"\0".join(os.fsencode(path.resolve()) for path in paths)
    return folder / f"{hashlib.sha256(names).hexdigest()[:32]}{suffix}"


def _is_whole(place: Path, stamp: dict[str, Any]) -> bool:
    """Whether a cache of files is there, private, undamaged, and of this state of the files it was made of."""
    try:
        if not _is_private(place.lstat()) or place.is_symlink():
            return False
        written = parse_json((place / STAMP).read_bytes())
        for name, wanted in written["files"].items():
            path = place / name
            if not _is_private(path.lstat()) or not path.is_file() or _file_checksum(path) != wanted:
                return False
        if time.time() - (place / STAMP).stat().st_mtime > TOUCH_SECONDS:
            os.utime(place / STAMP)
            os.utime(place)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(written["stamp"] == stamp)


def _file_checksum(path: Path) -> int:
    return checksum(np.memmap(path, np.uint8, "r"))


def _form(array: NDArray[Any]) -> Form:
    return array.dtype.str, array.ndim


def _base() -> Path | None:
    """The folder in which programs keep their caches (XDG Base Directory Specification), perhaps not existing yet."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given)
    try:
        home = Path.home()
    except RuntimeError:  # no HOME, and no entry in the password file
        return None
    return home / ".cache" if home.is_dir() else None


def _is_private(status: os.stat_result) -> bool:
    """Whether a file or folder is this user's and nobody else may write to it."""
    if not hasattr(os, "getuid"):
        return True  # Windows: profiles are the user's own
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(place: Path, stamp: dict[str, Any]) -> Arrays | None:
    """The arrays of a cache, or None if it is missing, not private, damaged, or of another state of its file."""
    try:
        descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb"):
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or not _is_private(status):
                return None
            data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
        if data[: len(MAGIC)] != MAGIC or len(data) < PREFIX:
            return None
        if _checksum(data) != data[len(MAGIC) : CHECKED]:
            return None
        length = int.from_bytes(data[CHECKED:PREFIX])
        header = parse_json(data[PREFIX : PREFIX + length])
        if header["stamp"] != stamp:
            return None
        start = PREFIX + length
        arrays = {}
        for name, (dtype, shape, offset) in header["arrays"].items():
            if min(offset, *shape, 0) < 0:  # which NumPy would take for "all that is there"
                return None
            arrays[name] = np.frombuffer(data, dtype, math.prod(shape), start + offset).reshape(shape)
        if time.time() - status.st_mtime > TOUCH_SECONDS:
            os.utime(place)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None  # it is made again
    return arrays


def _write(place: Path, stamp: dict[str, Any], arrays: Arrays) -> None:
    """Write a cache, whole or not at all; a disk that is full or read-only is no error."""
    table: dict[str, tuple[str, list[int], int]] = {}
    parts: list[memoryview | bytes] = []  # of the arrays, without a copy of them
    size = 0
    for name, value in arrays.items():
        array = np.ascontiguousarray(value)
        table[name] = (array.dtype.str, list(np.shape(value)), size)
        parts += [array.reshape(-1).view(np.uint8).data, b" " * (-array.nbytes % ALIGNMENT)]
        size += array.nbytes + len(parts[-1])
    header = _padded(json.dumps({"stamp": stamp, "arrays": table}).encode(), PREFIX)
    temporary: Path | None = None
    try:
        path = place.parent / f".{temporary_name()}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        temporary = path
        with open(descriptor, "w+b") as file:
            file.writelines([MAGIC, bytes(CHECKED - len(MAGIC)), len(header).to_bytes(8), header, *parts])
            file.flush()
            file.seek(len(MAGIC))
            file.write(_checksum(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)))
        os.replace(temporary, place)
    except OSError:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        return
    _remove_unused(place.parent)


def _checksum(data: mmap.mmap) -> bytes:
    """The checksum of a cache's content, as it stands in the cache."""
    return checksum(np.frombuffer(data, np.uint8, offset=CHECKED)).to_bytes(8)


def _padded(data: bytes, before: int) -> bytes:
    """The bytes, filled up so that what follows begins at a multiple of `ALIGNMENT` where they begin at `before`."""
    return data + b" " * (-(before + len(data)) % ALIGNMENT)


def _remove_unused(folder: Path) -> None:
    """Remove caches that no run has used for months, and what killed runs left."""
    for path in [*folder.glob(f"*{SUFFIX}"), *folder.glob(f"*{FOLDER_SUFFIX}"), *folder.glob(".*.tmp")]:
        limit = TOUCH_SECONDS if path.suffix == ".tmp" else UNUSED_SECONDS
        try:
            if time.time() - path.stat().st_mtime <= limit:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError:
            continue  # another process was faster
