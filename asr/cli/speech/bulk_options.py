"""Options of `asr transcribe` for many files: where results go, which files are this machine's, what runs them."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from asr.cli.console import note, warn
from asr.cli.speech.output_names import check_format
from asr.errors import TextError
from asr.recognizer.ray_files import RayJob, transcribe_on_ray
from asr.recognizer.recognizer import MIXED
from asr.recognizer.results_file import in_shard
from asr.recognizer.transcript import format_of

LOCAL, RAY = "local", "ray"
STANDARD_INPUT = Path("-")
Command = Callable[..., Any]


@dataclass(frozen=True)
class Bulk:
    """How many files are gone through."""

    output: Path | None = None
    jobs: int = 0
    shard: tuple[int, int] | None = None
    listed: Path | None = None
    engine: str = LOCAL

    def check_stream(self) -> None:
        """Raise a usage error, for --stream, where anything is chosen."""
        if self != Bulk():
            raise click.UsageError(
                "--stream goes with none of --output, --files-from, --jobs, --shard and --engine ray."
            )

    def check_ray(self, channels: str, device: str, threads: int) -> None:
        """Raise a usage error, for --engine ray, for choices that its workers do not know."""
        if channels != MIXED or device != "auto" or threads or self.jobs:
            raise click.UsageError(
                "--engine ray runs on one core a worker and mixes channels; leave out --channels, --device, --threads "
                "and --jobs."
            )

    def check(self, output_dir: Path | None, formats: Sequence[str]) -> None:
        """Raise a usage error for choices that do not go together."""
        if self.output is not None and output_dir is not None:
            raise click.UsageError("--output names one file, --output-dir a folder for several; leave one out.")
        if self.output is not None and self.engine == LOCAL and self.output.is_dir():
            raise click.UsageError(f"--output {self.output} is a folder; name a file, or use --output-dir.")
        check_format(self.output, self.transcript_format, formats)
        other = sorted(set(formats) - {"json"})
        if self.output is not None and self.transcript_format is None and other:
            raise click.UsageError(
                f"--output {self.output} takes JSON lines; for {other[0]} let its name end in .{other[0]}, or use "
                "--output-dir, or > FILE."
            )
        if self.engine == RAY and self.output is None:
            raise click.UsageError("--engine ray needs --output, a folder that all machines see.")

    @property
    def transcript_format(self) -> str | None:
        """The format of the one transcript that --output holds, by its name; None where it holds JSON lines."""
        named = None if self.output is None or self.engine == RAY else format_of(self.output)
        return None if named == "json" else named

    def check_files(self, count: int) -> None:
        """Raise a usage error where --output holds one transcript and there are more recordings."""
        if count > 1 and self.transcript_format is not None:
            raise click.UsageError(
                f"--output {self.output} holds the {self.transcript_format} of one recording, and there are {count}; "
                "use --output-dir."
            )

    def with_listed(self, paths: Sequence[str]) -> list[str]:
        """The paths, and after them those in the file of --files-from. Raises TextError for what is no such list."""
        if self.listed is None:
            return list(paths)
        try:
            content = sys.stdin.buffer.read() if self.listed == STANDARD_INPUT else self.listed.read_bytes()
        except OSError as error:
            raise TextError(f"cannot read the list {self.listed}: {error.strerror}; check the path.") from None
        if b"\0" in content:  # in no path: an audio file, or what find's -print0 writes
            raise TextError(f"the list {self.listed} holds zero bytes, as no path does; it must have a path a line.")
        lines = [line.removesuffix(b"\r") for line in content.removeprefix(codecs.BOM_UTF8).split(b"\n")]
        named = [os.fsdecode(line) for line in lines if line.strip()]
        if not named:
            raise TextError(f"the list {self.listed} names no file; it must have a path a line.")
        return [*paths, *named]

    def own(self, files: Sequence[str]) -> set[str]:
        """The files of this machine's shard."""
        return set(files if self.shard is None else in_shard(files, *self.shard))


class Shard(click.ParamType[tuple[int, int]]):
    """I/N, such as 3/8."""

    name = "I/N"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The shard's number, from 1, and how many there are."""
        if isinstance(value, tuple):
            return value
        index, _, count = value.partition("/")
        if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            self.fail(f"'{value}' is no shard such as 3/8", param, ctx)
        return int(index), int(count)


_OPTIONS = (
    click.option(
        "--output", type=click.Path(path_type=Path),
        help="Add each result to this file as a line of JSON; --resume goes on with it. A name such as talk.srt takes "
        "one recording in that format. With --engine ray: a folder.",
    ),
    click.option(
        "--files-from", "listed", type=click.Path(path_type=Path), metavar="FILE",
        help="Take the paths in this file too, one a line; - for standard input.",
    ),
    click.option("--jobs", type=click.IntRange(min=0), default=0, help="Files at once.  [default: one for each core]"),
    click.option("--shard", type=Shard(), help="Take only part I of N of the files, chosen by their names."),
    click.option(
        "--engine", type=click.Choice((LOCAL, RAY)), default=LOCAL, show_default=True,
        help="ray: the machines of a Ray cluster (extra ray).",
    ),
)  # fmt: skip


def bulk_options(command: Command) -> Command:
    """The options; the command takes them together, as `bulk: Bulk`."""

    @wraps(command)
    def collecting(**values: Any) -> Any:
        chosen = {name: values.pop(name) for name in ("output", "jobs", "shard", "listed", "engine")}
        return command(bulk=Bulk(**chosen), **values)

    decorated: Command = collecting
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def run_on_ray(files: Sequence[str], job: RayJob) -> int:
    """Transcribe files on a Ray cluster; returns how many failed, each named on stderr."""
    failed = done = 0
    for outcome in transcribe_on_ray(files, job):
        done += outcome.done
        failed += len(outcome.errors)
        for error in outcome.errors:
            warn(f"asr: {error}")
    note(f"{done} files transcribed")
    return failed
