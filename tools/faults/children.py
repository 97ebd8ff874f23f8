"""Commands of `asr` in processes that can be killed at any moment: forked, so that nothing is imported again."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

POLL_SECONDS = 0.005
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, or -9 where it was killed; what it printed on stderr; seconds of CPU."""

    code: int
    err: str
    seconds: float


def run(
    arguments: list[object], log: Path, kill_after: float = 0.0, before: Callable[[], object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ended:  # fmt: skip
    """Run `asr` with arguments. kill_after: seconds of processor time after which it is killed; 0: never.

    before: called in the new process, first.
    """
    return wait(start(arguments, log, before, environment), log, kill_after)


def run_piped(arguments: list[object], before: Callable[[], object]) -> Ended:
    """Run `asr` where no file can be written to: what it prints, at most 64 kB, goes through a pipe."""
    reading, writing = os.pipe()
    process = start(arguments, writing, before)
    os.close(writing)
    ended = wait(process, None)
    with os.fdopen(reading, errors="replace") as file:
        return replace(ended, err=file.read())


def start(
    arguments: list[object], log: Path | int, before: Callable[[], object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:  # fmt: skip
    """Start `asr` with arguments; returns the process."""
    process = os.fork()
    if process:
        return process
    try:
        sys.stdin = open(os.devnull)  # noqa: SIM115  # until the process ends
        output = log if isinstance(log, int) else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1, closefd=False)
        os.environ.update(environment or {})
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from asr.cli.main import main  # before the user may become one who cannot read the sources

        if before is not None:
            before()
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        os._exit(code)
    except BaseException:
        import traceback

        try:
            traceback.print_exc()
        finally:
            os._exit(99)  # whatever happens: the parent's folders must not be removed by this process
    os._exit(98)


def wait(process: int, log: Path | None, kill_after: float = 0.0) -> Ended:
    """Wait for a process that `start` returned, or kill it."""
    while True:
        done, status, usage = os.wait4(process, os.WNOHANG if kill_after else 0)
        if done:
            code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            text = log.read_text(errors="replace") if log is not None and log.exists() else ""
            return Ended(code, text, usage.ru_utime + usage.ru_stime)
        if seconds(process) >= kill_after:
            os.kill(process, signal.SIGKILL)
            kill_after = 0.0
        else:
            time.sleep(POLL_SECONDS)


def seconds(process: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def leftovers(*folders: Path) -> list[str]:
    """Temporary files and folders in these folders."""
    found = [path for folder in folders for path in folder.rglob("*")]
    return sorted(
        path.name for path in found if path.name.startswith((".asr-", "asr-", ".tmp-")) or path.suffix == ".tmp"
    )


def moment(dice: random.Random, whole: float) -> float:
    """A random moment of a command that takes `whole` seconds of processor time; never 0."""
    return max(1e-3, dice.uniform(0.0, whole))
