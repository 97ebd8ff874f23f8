"""Many files at once against a loop of `Recognizer.transcribe`: seconds, processor seconds, equal texts.

    python tools/bench/bulk.py FOLDER [--files 1000] [--shortest 3] [--longest 15] [--jobs 0] [--neural-lm none] [--ray]

Takes the first files of a folder whose lengths lie between. The network has one thread in both. With --ray, Ray's
workers do the same, their start and Ray's included. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import soundfile

from asr.decode.build import SearchOptions
from asr.recognizer.bulk_files import BulkTranscriber, default_jobs
from asr.recognizer.recognizer import Recognizer


def measured(work: Callable[[], list[str]]) -> tuple[list[str], float, float]:
    """What it returns, and its seconds of wall clock and of processor time."""
    wall, cpu = time.monotonic(), time.process_time()
    texts = work()
    return texts, time.monotonic() - wall, time.process_time() - cpu


def main() -> None:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--shortest", type=float, default=3.0)
    parser.add_argument("--longest", type=float, default=15.0)
    parser.add_argument("--jobs", type=int, default=0, help="files at once; 0: as the command line takes")
    parser.add_argument("--model", default="english")
    parser.add_argument("--neural-lm", default=None)
    parser.add_argument("--ray", action="store_true", help="by Ray as well, in processes; needs the extra ray")
    arguments = parser.parse_args()
    files, seconds = [], 0.0
    for path in sorted(
        path for path in arguments.folder.rglob("*") if path.suffix in (".flac", ".mp3", ".opus", ".wav")
    ):
        length = soundfile.info(path).duration
        if arguments.shortest <= length <= arguments.longest:
            files.append(str(path))
            seconds += length
            if len(files) == arguments.files:
                break
    recognizer = Recognizer.load(arguments.model, neural_lm=arguments.neural_lm, device="cpu", threads=1)
    jobs = arguments.jobs or default_jobs()

    def bulk() -> list[str]:
        with BulkTranscriber(recognizer, jobs) as many:
            results = many.each(files, lambda each, file, progress: each.transcribe(file, progress=progress))
            return [result.result().text for _, result in results]

    def on_ray() -> list[str]:
        from asr.recognizer.ray_files import RayJob, transcribe_on_ray

        search = SearchOptions(neural_lm=arguments.neural_lm)
        with tempfile.TemporaryDirectory() as folder:
            job = RayJob(model=arguments.model, search=search, output=Path(folder))
            for _ in transcribe_on_ray(files, job):
                pass
            lines = [json.loads(line) for part in Path(folder).glob("*.jsonl") for line in part.open()]
        texts = {line["file"]: line["text"] for line in lines}
        return [texts[file] for file in files]

    recognizer.transcribe(files[0])  # tables are made at the first use
    one, loop_wall, loop_cpu = measured(lambda: [recognizer.transcribe(file).text for file in files])
    many, bulk_wall, bulk_cpu = measured(bulk)
    values = {
        "files": len(files), "audio_seconds": round(seconds, 1), "cores": os.cpu_count(), "jobs": jobs,
        "loop": {"wall": round(loop_wall, 1), "cpu": round(loop_cpu, 1)},
        "bulk": {"wall": round(bulk_wall, 1), "cpu": round(bulk_cpu, 1)},
        "times_as_fast": round(loop_wall / bulk_wall, 2), "cpu_saved": round(1 - bulk_cpu / loop_cpu, 3),
        "other_texts": sum(a != b for a, b in zip(one, many, strict=True)),
    }  # fmt: skip
    if arguments.ray:
        print(json.dumps(values), file=sys.stderr, flush=True)
        many, ray_wall, _ = measured(on_ray)
        values["ray"] = {"wall": round(ray_wall, 1), "times_as_fast": round(loop_wall / ray_wall, 2),
                         "other_texts": sum(a != b for a, b in zip(one, many, strict=True))}  # fmt: skip
    print(json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
