"""Audio that can be read only once, or that lies in memory, as a temporary file."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from asr.atomic_file import temporary_folder
from asr.errors import AudioError

WAIT_SECONDS = 0.25  # of waiting for a pipe, after which signals and callers are heard
CHUNK_BYTES = 1 << 16

Waiting = Callable[[], object]
"""Called now and then while a pipe gives nothing; what it raises ends the waiting."""


def is_stream(path: Path) -> bool:
    """Whether a path is a pipe or a device such as /dev/stdin, which can be read once and has no size."""
    try:
        return path.exists() and not path.is_file() and not path.is_dir()
    except OSError:
        return False


@contextmanager
def spooled(content: bytes | Path | BinaryIO, name: str, waiting: Waiting = lambda: None) -> Iterator[Path]:
    """A temporary file with some content: bytes, or what comes from an open file or from the pipe at a path.

    Raises AudioError for an open file that gives no bytes, or is closed. name: of the source, for messages.
    """
    with temporary_folder() as folder:
        path = folder / "audio"
        with path.open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            elif isinstance(content, Path):
                with _open_pipe(content) as pipe:
                    _copy(pipe, file, waiting)
            else:
                if getattr(content, "closed", False):
                    raise AudioError(f"{name} is a file that has been closed; open it again.")
                try:
                    _copy(content, file, waiting)
                except (TypeError, UnicodeDecodeError, io.UnsupportedOperation):  # text, or open for writing alone
                    raise AudioError(f"{name} gives no bytes when read; open it in binary mode ('rb').") from None
        yield path


def _open_pipe(path: Path) -> BinaryIO:
    """The pipe at a path; on Linux opened without waiting until somebody writes to it."""
    if sys.platform != "linux":  # elsewhere a pipe that nobody has written to yet may look as if it had ended
        return path.open("rb")
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    os.set_blocking(file.fileno(), True)
    return file


def _wait_for(file: BinaryIO, waiting: Waiting) -> None:
    """Return when an open file has something to read, or has ended; at once where that cannot be asked.

    A read that blocks is no substitute: a signal that comes just before it is heard only after it.
    """
    raw = getattr(file, "raw", file)
    if os.name != "posix" or not isinstance(raw, io.FileIO):
        return  # of other files, such as sockets with encryption, the system does not know what has come
    import select

    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN)
    while not poll.poll(1000 * WAIT_SECONDS):
        waiting()


def _copy(source: BinaryIO, target: BinaryIO, waiting: Waiting) -> None:
    """Copy to the end."""
    if not isinstance(source, io.BufferedReader | io.FileIO):
        shutil.copyfileobj(source, target)
        return
    read = source.read1 if isinstance(source, io.BufferedReader) else source.read
    while True:
        _wait_for(source, waiting)
        part = read(CHUNK_BYTES)
        if part == b"":
            return
        target.write(part or b"")  # None: a pipe that does not block, whose bytes went to another reader
