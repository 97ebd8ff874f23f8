"""Console output that all commands share: progress bars on a terminal, notes on stderr, lists of bad items."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from asr.data.manifest import BadItem
    from asr.train.config import TrainConfig
    from asr.train.log import EpochLog, FinalLog, StepLog

REDRAW_SECONDS = 0.2
SHOWN_BAD_ITEMS = 20


_quiet = False  # while a command with --quiet runs


def be_quiet(quiet: bool) -> None:
    """Whether notes and progress are left out from now on."""
    global _quiet
    _quiet = quiet


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream is a terminal; there is none where the caller has closed it."""
    return stream is not None and stream.isatty()


def note(text: str) -> None:
    """Print a line on stderr, unless --quiet is given: what is being done, and what was made."""
    if not _quiet:
        click.echo(text, err=True)


def note_resumed(output: Path, config: TrainConfig) -> None:
    """Say where the training run in a folder goes on, if there is one."""
    from asr.train.checkpoint import saved_epoch

    epoch, last = saved_epoch(output / "training" / "state"), config.last_epoch
    if epoch is not None:
        note(f"going on in epoch {epoch}" if epoch <= last else f"all {last} epochs are trained; nothing is left to do")


def warn(text: str) -> None:
    """Print a line on stderr, also with --quiet: what went wrong or was left out."""
    click.echo(text, err=True)


def report(text: str, as_json: bool, **values: Any) -> None:
    """Say what a command made: as a line on stderr, or as JSON on stdout (`values`; paths become text)."""
    if as_json:
        click.echo(json.dumps(values, default=str, ensure_ascii=False))
    else:
        note(text)


class Progress:
    """A progress bar on stderr, drawn only on a terminal. It is called with the work done, the total, and a text."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._active = is_terminal(sys.stderr) and not _quiet
        self._drawn = 0.0
        self.started = time.monotonic()
        self._first: tuple[float, float] | None = None  # when it was first called, and the work done until then

    def __call__(self, done: float, total: float, text: str = "") -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now, done
        if not self._active or (now - self._drawn < REDRAW_SECONDS and done < total):
            return
        self._drawn = now
        share = min(1.0, done / total) if total else 1.0
        since, before = self._first  # what an interrupted run had done says nothing about the speed of this one
        left = (now - since) * (total - done) / (done - before) if total > done > before else 0.0
        bar = "#" * round(share * 30)
        rest = f" [{bar:<30}] {share:4.0%} {_clock(left)} left {text}"
        columns = _columns() - 1  # what is wider goes on in the next line, where no bar is removed
        room = max(0, columns - len(rest))
        label = self.label if len(self.label) <= room else self.label[: max(0, room - 1)] + "…"
        sys.stderr.write(f"\r{(label + rest)[:columns]}\x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        """Remove the bar."""
        if self._active and self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _columns() -> int:
    """How wide the terminal of standard error is, in characters."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


class FilesProgress:
    """One bar over files that are worked on at once, each in a thread, drawn on a terminal."""

    def __init__(self, label: str, files: int) -> None:
        self._bar, self._files, self._finished = Progress(label), files, 0
        self._shares: dict[int, float] = {}  # of the files in work
        self._counting, self._drawing = threading.Lock(), threading.Lock()

    def of(self, file: int, done: float, total: float) -> None:
        """How much is done of a file, by its number; an infinite total says nothing yet."""
        with self._counting:
            self._shares[file] = min(1.0, done / total) if total else 0.0
        self._draw()

    def end(self, file: int) -> None:
        """A file is done, or given up."""
        with self._counting:
            self._shares.pop(file, None)
            self._finished += 1
        self._draw()

    def _draw(self) -> None:
        if self._drawing.acquire(blocking=False):  # where another thread draws or prints, the next call will draw
            try:
                with self._counting:
                    done = self._finished + sum(self._shares.values())
                self._bar(done, self._files, f"{self._finished} of {self._files} files" if self._files > 1 else "")
            finally:
                self._drawing.release()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """A block that prints on the terminal: the bar is removed, and drawn again later."""
        with self._drawing:
            self._bar.close()
            yield

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


class Steps:
    """Progress of work in several steps: a bar for each on a terminal, else a line when a step is done."""

    def __init__(self) -> None:
        self._label = ""
        self._bar = Progress("")

    def __call__(self, label: str, done: float, total: float) -> None:
        """How much of the step `label` is done; another label begins another step."""
        if label != self._label:
            self.close()
            self._label, self._bar = label, Progress(label)
        self._bar(done, total)

    def close(self) -> None:
        """End the last step."""
        self._bar.close()
        if self._label:
            note(f"{self._label}: {time.monotonic() - self._bar.started:.0f} s")
            self._label = ""


class TrainingProgress:
    """Shows the reports of the training loop: a bar for the steps, a line for each epoch.

    line: makes the text of an epoch from its entry; an empty text prints nothing.
    """

    def __init__(self, line: Callable[[EpochLog], str], label: str = "training") -> None:
        self._line, self._bar = line, Progress(label)

    def __call__(self, entry: StepLog | EpochLog | FinalLog) -> None:
        from asr.train.log import EpochLog, StepLog

        if isinstance(entry, StepLog):
            speed = "" if entry.speed is None else f" {entry.speed}"
            self._bar(entry.step, entry.total, f"epoch {entry.epoch} loss {entry.loss:.3f}{speed}")
        elif isinstance(entry, EpochLog):
            self._bar.close()
            if text := self._line(entry):
                note(f"epoch {entry.epoch}: {text}")

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def list_bad(bad: Sequence[BadItem], what: str = "left out") -> None:
    """Print how many items were left out, and the first ones with their reasons."""
    if not bad:
        return
    warn(f"{len(bad)} {'item' if len(bad) == 1 else 'items'} {what}:")
    for item in bad[:SHOWN_BAD_ITEMS]:
        warn(f"  {item}")
    if len(bad) > SHOWN_BAD_ITEMS:
        warn(f"  … and {len(bad) - SHOWN_BAD_ITEMS} more")
