"""Locks on files, which keep other processes of this machine away from what one of them writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asr.errors import ConfigError


def lock(descriptor: int, message: str) -> None:
    """Lock an open file until it is closed or this process ends. Raises ConfigError with `message` if another has it.

    Where the system knows no such locks nothing is done: the user must see to it.
    """
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(message) from None
    except OSError:
        return


@contextmanager
def locked(path: Path, message: str) -> Iterator[None]:
    """Hold the lock of a file, which is made if it is not there and stays. Raises ConfigError as `lock` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        lock(descriptor, message)
        yield
    finally:
        os.close(descriptor)
