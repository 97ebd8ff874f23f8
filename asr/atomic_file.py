"""Files that are whole or absent: written under a temporary name, flushed to disk, then renamed.

A temporary name says which process writes there, so that what a killed one left is removed by the next that writes into
the same folder on the same machine.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import itertools
import os
import platform
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_numbers = itertools.count()
_searched: set[Path] = set()  # folders that this process has removed leftovers from: once is enough
_TEMPORARY = re.compile(r"\.?asr-([0-9a-f]{6})-(\d{1,9})-\d+\.tmp")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path to write to, which takes the place of `path` when the block ends well.

    A reader, a crash or a full disk meets the old content or the new, never a part; on an error the old one stays.
    A link stays one: what it names is replaced. A pipe or a device, such as /dev/stdout, takes the content in the end.
    Raises OSError naming `path` where it cannot be written.
    """
    path = Path(path)
    with naming(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            with temporary_folder() as folder:
                yield folder / path.name
                with (folder / path.name).open("rb") as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)
            return
        if path.is_symlink():
            path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        temporary = path.parent / f".{temporary_name()}"
        try:
            temporary.touch()  # who may read it is what the file before said, or what the user's umask says
            mode = stat.S_IMODE((path if path.is_file() else temporary).stat().st_mode)
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.chmod(temporary, mode)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Let errors of the block that tell of no file, as those of a full disk do, be OSErrors that name `path`.

    Libraries that write files themselves raise errors of their own: those of safetensors become OSErrors too.
    """
    try:
        yield
    except OSError as error:
        named = error.filename
        if named is None or (isinstance(named, str) and _TEMPORARY.fullmatch(Path(named).name)):
            error.filename, error.filename2 = str(path), None  # a full disk names no file, others the temporary one
        raise
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise OSError(errno.EIO, str(error), str(path)) from error


def write_atomically(path: str | Path, data: bytes) -> None:
    """Replace the content of `path` at once."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def temporary_folder(base: Path | None = None) -> Iterator[Path]:
    """A folder that only the user can read and that is removed afterwards, or by the next process after a kill.

    base: where it lies; None: where the system wants temporary files.
    """
    hidden = "" if base is None else "."
    base = Path(tempfile.gettempdir()) if base is None else base
    remove_leftovers(base)
    folder = base / f"{hidden}{temporary_name()}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def temporary_name() -> str:
    """A name that no other process uses; by it `remove_leftovers` sees whether its process is still alive."""
    return f"asr-{_machine()}-{os.getpid()}-{next(_numbers)}.tmp"


def remove_leftovers(folder: Path) -> None:
    """Remove what processes of this user and machine that are no more have left under temporary names.

    Done once for each folder: it may hold very many files.
    """
    try:
        place = folder.resolve()
        if place in _searched:
            return
        _searched.add(place)
        entries = [entry for entry in os.scandir(folder) if _is_leftover(entry.name)]
    except OSError:
        return  # the caller will say what is wrong with the folder
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)
        except OSError:
            continue  # another process was faster, or it is another user's


def _is_leftover(name: str) -> bool:
    match = _TEMPORARY.fullmatch(name)
    if match is None or match[1] != _machine() or os.name == "nt":  # where os.kill would end the process
        return False
    try:
        os.kill(int(match[2]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


@cache
def _machine() -> str:
    """Six characters that tell this machine, and this container, from others that write into the same folders."""
    try:
        processes = os.readlink("/proc/self/ns/pid")  # numbers of processes mean something within a namespace alone
    except OSError:
        processes = ""
    return hashlib.sha256(f"{platform.node()} {processes}".encode()).hexdigest()[:6]


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, where the file system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return  # Windows has no such thing
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # the rename stands all the same
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """As `write_atomically`, packed if the name ends in .gz: the same bytes for the same text, no time stamp within.

    What is no valid Unicode, from the name of a file, is written as its escape (`\\udcff`).
    """
    data = text.encode(errors="backslashreplace")
    write_atomically(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
