"""Many audio files on a cluster, by Ray Data: shards of files in, files of JSON lines out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.atomic_file import write_text
from asr.decode.build import SearchOptions
from asr.errors import explain
from asr.extras import require
from asr.recognizer.bulk_files import BulkTranscriber
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.results_file import files_of

SHARD_FILES = 32  # what a killed worker does again at most
PART = "part-{}.jsonl"


@dataclass(frozen=True)
class ShardOutcome:
    """How many files of a shard have their transcript, the errors of the others, and the process that did it."""

    done: int
    errors: list[str]
    worker: int


@dataclass(frozen=True, kw_only=True)
class RayJob:
    """What the workers need: the model, the search, and the folder of results, which all machines must see."""

    model: str | None
    search: SearchOptions
    output: Path
    backend: str = "auto"
    partial: bool = False
    shard_files: int = SHARD_FILES
    raw: bool = False
    vad: bool = True
    numbers: str = "digits"


class ShardWorker:
    """Transcribes shards in a process of its own, on one core; made once for each worker."""

    def __init__(self, job: RayJob) -> None:
        self._job = job
        self._recognizer = Recognizer.from_options(
            job.model, job.search, raw=job.raw, numbers=job.numbers, vad=job.vad, backend=job.backend, threads=1
        )

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Transcribe the files of a shard and write their results, all at once, so that a repeated shard adds none."""
        lines, errors = [], []
        partial = self._job.partial
        with BulkTranscriber(self._recognizer, 1) as bulk:
            for file, result in bulk.each(
                [str(file) for file in row["files"]],
                lambda recognizer, file, progress: recognizer.transcribe(file, partial=partial, progress=progress),
            ):
                try:
                    lines.append(result.result().to_json())
                except Exception as error:  # whatever it is: the other files are done
                    message = explain(error)
                    errors.append(message if file in message else f"{file}: {message}")
        if lines:
            write_text(self._job.output / PART.format(row["name"]), "".join(lines))
        return {"done": len(lines), "errors": errors, "worker": os.getpid()}


def transcribe_on_ray(files: Sequence[str], job: RayJob) -> Iterator[ShardOutcome]:
    """Transcribe files on the Ray cluster that this process is connected to, or on this machine; shard by shard.

    Files that have a result in the folder are passed over, so that a call after a kill goes on; a shard whose worker
    dies is done again by another. Raises MissingPackageError without the extra `ray`, DataError for a folder that holds
    something else.
    """
    ray = require("ray", "ray", "clusters")
    data = require("ray", "ray.data", "clusters")
    todo = remaining(files, job.output)
    job.output.mkdir(parents=True, exist_ok=True)
    rows = list(_shards(todo, job.shard_files))
    if not rows:
        return
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    shards = data.from_items(rows, override_num_blocks=len(rows)).map(
        ShardWorker, fn_constructor_args=(job,), concurrency=(1, min(workers, len(rows))), num_cpus=1
    )
    for row in shards.iter_rows():
        yield ShardOutcome(int(row["done"]), [str(error) for error in row["errors"]], int(row["worker"]))


def remaining(files: Sequence[str], output: Path) -> list[str]:
    """The files that have no result in a folder yet."""
    done: set[str] = set()
    for part in sorted(output.glob(PART.format("*"))):
        done.update(files_of(part.read_bytes(), part))
    return [file for file in files if file not in done]


def _shards(files: Sequence[str], size: int) -> Iterator[dict[str, Any]]:
    for start in range(0, len(files), size):
        some = list(files[start : start + size])
        name = hashlib.sha256("\0".join(some).encode(errors="surrogateescape")).hexdigest()[:16]
        yield {"name": name, "files": some}
