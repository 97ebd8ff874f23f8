"""Settings of the C library's memory allocator, for training and for serving. They are the process's."""

from __future__ import annotations

import ctypes
import sys

# glibc's <malloc.h>
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
KEPT_BYTES = 1 << 30
LARGEST_FROM_HEAP = 1 << 30
TOP_PAD_BYTES = 64 << 20
LARGEST_OF_A_SERVER = 512 << 10


def keep_freed_memory() -> bool:
    """Whether the allocator now takes large blocks from the heap, and returns only what exceeds 1 GiB to the system.

    By default glibc maps every block of 32 MB or more from the system and unmaps it when it is freed, so each training
    step pays for fresh pages of all its activations: 84 against 122 seconds of audio a second for a 3 x 256 model on
    two cores.
    """
    return _set((M_MMAP_THRESHOLD, LARGEST_FROM_HEAP), (M_TRIM_THRESHOLD, KEPT_BYTES), (M_TOP_PAD, TOP_PAD_BYTES))


def return_freed_memory() -> bool:
    """Whether the allocator now maps every block of 512 KiB or more by itself, and so returns it when it is freed.

    By default glibc takes such blocks from the thread's heap once one of them has been freed, and keeps them: with new
    hotwords in every request a server of many threads grew from 245 to 980 MB.
    """
    return _set((M_MMAP_THRESHOLD, LARGEST_OF_A_SERVER))


def _set(*settings: tuple[int, int]) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False  # musl has no such call
    return all(mallopt(name, value) == 1 for name, value in settings)
