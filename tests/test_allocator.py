from __future__ import annotations

import subprocess
import sys

import pytest

# What a process holds after blocks of 4 MB have been allocated and freed in threads, most of them twice.
HELD = """
import threading, numpy as np
from asr.allocator import return_freed_memory
{call}
def held(): return int(open("/proc/self/statm").read().split()[1]) * 4096
def fill():
    for size in (16 << 20, 4 << 20, 4 << 20):
        blocks = [np.ones(size // 8) for _ in range(4)]
        keep.append(np.ones(1000))
keep = []
before = held()
for _ in range(6):
    thread = threading.Thread(target=fill); thread.start(); thread.join()
print((held() - before) >> 20)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_a_server_gives_freed_memory_back():
    held = []
    for call in ("", "assert return_freed_memory()"):
        command = [sys.executable, "-c", HELD.format(call=call)]
        held.append(int(subprocess.run(command, capture_output=True, check=True).stdout))
    assert held[1] < 10
    assert held[0] > 2 * held[1]
