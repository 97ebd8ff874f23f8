"""Inputs in processes that may die: of each batch one process, with limits of memory and of processor time."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from targets import Target

from asr.errors import AsrError

MEMORY = 1 << 30  # bytes of address space beyond what the process has at its start
SECONDS = 20.0  # of processor time for one input
BROKEN = 96  # exit code
STUCK_SECONDS = 300.0  # of wall clock without any processor time, after which a process counts as stuck


@dataclass
class Tally:
    """What became of a format's inputs."""

    inputs: int = 0
    raw: int = 0  # exceptions that are none of the program's own
    crashes: int = 0
    hangs: int = 0
    memory: int = 0  # inputs that asked for too much
    left: int = 0  # files left behind
    seconds: float = 0.0  # of processor time
    examples: list[str] = field(default_factory=list)


def make_input(target: Target, seeds: list[bytes], number: int, seed: int) -> bytes:
    """Input number `number` of a format: always the same bytes."""
    dice = random.Random(zlib.crc32(f"{seed} {target.name} {number}".encode()))
    return dice.choice(target.mutations)(dice.choice(seeds), dice)


def run_batch(target: Target, seeds: list[bytes], first: int, end: int, seed: int, tally: Tally, keep: Path) -> None:
    """Check the inputs `first` to `end`; after a death the next process goes on behind the input that caused it."""
    started = _processor_seconds()
    while first < end:
        folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(reading)
            errors = os.dup(2)
            try:
                _work(target, seeds, range(first, end), seed, folder, writing)
            except BaseException:  # of the fuzzer itself
                os.write(errors, traceback.format_exc().encode())
            os._exit(BROKEN)  # no exit handlers: threads of the parent are not there
        os.close(writing)
        last, records, status = _listen(reading, process)
        for record in records:
            _count(target, seeds, record["number"], seed, record["kind"], record["text"], tally, keep)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == BROKEN:
            raise RuntimeError(f"the fuzzer cannot make or check an input of '{target.name}', see above")
        if status != 0:
            died = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            kind = "hangs" if died in (signal.SIGVTALRM, signal.SIGKILL) else "crashes"
            _count(target, seeds, last, seed, kind, f"signal {died}", tally, keep)
        shutil.rmtree(folder, ignore_errors=True)
        done = end if status == 0 else last + 1
        tally.inputs += done - first
        first = done
    tally.seconds += _processor_seconds() - started


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def _listen(reading: int, process: int) -> tuple[int, list[dict[str, object]], int]:
    """The last input that was begun, what was reported, and the status of the process's end."""
    last, records = -1, []
    used = -1

    def look(*_: object) -> None:
        nonlocal used
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        before, used = used, int(fields[11]) + int(fields[12])
        if used == before:
            os.kill(process, signal.SIGKILL)

    timer = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, STUCK_SECONDS, STUCK_SECONDS)
    with os.fdopen(reading) as lines:
        for line in lines:
            if line[0] == "@":
                last = int(line[1:])
            else:
                records.append(json.loads(line))
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, timer)
    return last, records, os.waitpid(process, 0)[1]


def _count(
    target: Target, seeds: list[bytes], number: int, seed: int, kind: str, text: str, tally: Tally, keep: Path
) -> None:
    setattr(tally, kind, getattr(tally, kind) + 1)
    if len(tally.examples) < 20:
        tally.examples.append(f"{number} {kind}: {text}")
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{target.name.replace(' ', '_')}-{number}").write_bytes(make_input(target, seeds, number, seed))


def _work(target: Target, seeds: list[bytes], numbers: range, seed: int, folder: Path, writing: int) -> None:
    """Check inputs and end the process; each is announced before, so that a death tells which it was."""
    work, temporary, home = folder / "work", folder / "tmp", folder / "home"
    for path in (work, temporary, home):
        path.mkdir()
    os.environ |= {"TMPDIR": str(temporary), "XDG_CACHE_HOME": str(home), "HOME": str(home)}
    tempfile.tempdir = None
    os.chdir(work)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # until the process ends
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    place = work / "in"
    place.mkdir()
    target.prepare(place)
    allowed = _files(folder)
    for number in numbers:
        data = make_input(target, seeds, number, seed)
        (place / target.file).write_bytes(data)
        os.write(writing, f"@{number}\n".encode())
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            target.check(place / target.file)
        except AsrError:
            pass
        except MemoryError:
            _report(writing, number, "memory", traceback.format_exc())
        except Exception:  # what the fuzzing is for
            _report(writing, number, "raw", traceback.format_exc())
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        caches, left = [], []
        for path in _files(folder) - allowed:
            (caches if path.endswith(".tables") or ".files/" in path else left).append(path)
        left = [path for path in left if not _is_expected(path, target)]
        if left:
            _report(writing, number, "left", str(sorted(left)[:3]))
        for path in [*caches, *left]:
            os.unlink(path)
        if caches:
            for folder_of_cache in home.rglob("*.files"):
                shutil.rmtree(folder_of_cache)
    os._exit(0)


def _is_expected(path: str, target: Target) -> bool:
    name = os.path.basename(path)
    return name == target.file or name.startswith("source")


def _files(folder: Path) -> set[str]:
    return {f"{base}/{name}" for base, _, names in os.walk(folder) for name in names}


def _report(writing: int, number: int, kind: str, text: str) -> None:
    lines = text.strip().splitlines()
    short = " | ".join(line.strip() for line in [*lines[-5:-1], lines[-1]])[-600:]
    os.write(writing, (json.dumps({"number": number, "kind": kind, "text": short}) + "\n").encode())
