"""Faults on purpose: `python tools/faults --kills 25 --table tools/faults/RESULTS.md`.

Trainings, bulk transcription, packing and two processes that fill one cache are killed at random moments of their
processor time; every writer meets a full disk; homes are missing or cannot be written; files change while they are
read; the clock jumps.
Exits with 1 if anything was not as it must be.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # processes are forked: they must have no threads
sys.path.insert(0, str(Path(__file__).parents[2]))

import torch  # noqa: E402, F401  # imported once, before anything is forked
from kills import SCENES  # noqa: E402
from surroundings import changing_files, full_disk, homes, jumping_clock  # noqa: E402

import asr.acoustic.run  # noqa: E402
import asr.cli.speech.decode  # noqa: E402
import asr.cli.speech.train  # noqa: E402, F401


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25, help="of each kind of run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only",
        default="",
        help="training, transcribing, results, packing, caching, disk, homes, files, clock; by commas",
    )
    parser.add_argument("--table", type=Path, help="Markdown to write")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    rows: list[list[str]] = []
    for name in (*SCENES, "disk", "homes", "files", "clock"):
        if only and name not in only:
            continue
        started = time.monotonic()
        with tempfile.TemporaryDirectory(
            prefix="faults-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
        ) as base:
            folder = Path(base)
            if name in SCENES:
                rows.append(["kill -9: " + (row := SCENES[name](folder, options.kills, options.seed))[0], *row[1:]])
            elif name == "disk":
                rows += [[f"full disk: {row[0]}", *row[1:]] for row in full_disk(folder)]
            elif name == "homes":
                rows += homes(folder) if os.getuid() == 0 else [["homes", "0", "needs root"]]
            elif name == "files":
                rows += changing_files(folder)
            else:
                rows += jumping_clock(folder)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
        lines = [
            "| what happens | times | result |",
            "|---|---:|---|",
            *("| " + " | ".join(row) + " |" for row in rows),
        ]
        if options.table:
            options.table.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 1 if any("WRONG" in row[-1] or "NOT RUN" in row[-1] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
