"""Fuzzing of everything that reads a file: `python tools/fuzz` (the short form is part of the gate).

    python tools/fuzz --inputs 60       60 inputs of each cheap format, fewer of costly ones
    python tools/fuzz --total 1000000 --seconds 7200 --state STATE --table tools/fuzz/RESULTS.md
                                        the long form, which goes on where the run that wrote STATE ended

Inputs are made from good files of the project's own by mutations; a number and a seed give always the same. Exits with
1 if anything but the program's own errors was raised, or if a process died, ran too long, asked for too much memory, or
left files.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # processes are forked: they must have no threads
sys.path.insert(0, str(Path(__file__).parents[2]))

from targets import TARGETS  # noqa: E402
from workers import Tally, run_batch  # noqa: E402

for _name in ("av", "soxr", "asr.decode.build", "asr.cli.main", "asr.lm.lstm.unit_scorer"):
    importlib.import_module(_name)  # once, before anything is forked

BATCH = 400  # inputs of a cheap format in one process
COLUMNS = ("inputs", "raw", "crashes", "hangs", "memory", "left")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=0, help="of each cheap format")
    parser.add_argument("--seconds", type=float, default=0.0, help="go round all formats for so long")
    parser.add_argument("--total", type=int, default=0, help="go round all formats until there were so many inputs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="formats whose names hold one of these, by commas")
    parser.add_argument("--state", type=Path, help="folder of counts and of the inputs that found something")
    parser.add_argument("--table", type=Path, help="Markdown to write")
    options = parser.parse_args()
    state = options.state or Path(os.environ.get("TMPDIR", "/tmp")) / f"asr-fuzz-{os.getpid()}"
    chosen = [target for target in TARGETS if any(part in target.name for part in options.only.split(","))]
    tallies = _load(state / "state.json")
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_CACHE_HOME"] = home  # seeds of caches are what a run leaves there
        seeds = {target.name: list(target.seeds()) for target in chosen}
    end = time.monotonic() + (options.seconds or (math.inf if options.total else 0.0))

    def is_enough() -> bool:
        inputs = sum(tally.inputs for tally in tallies.values())
        return time.monotonic() > end or (options.total > 0 and inputs >= options.total)

    is_first = True
    while is_first or not is_enough():
        for target in chosen:
            tally = tallies.setdefault(target.name, Tally())
            size = max(1, (options.inputs or BATCH) // target.cost)
            run_batch(
                target, seeds[target.name], tally.inputs, tally.inputs + size, options.seed, tally, state / "inputs"
            )
            if options.state:
                _save(state / "state.json", tallies)
            if (options.seconds or options.total) and is_enough():
                break
        is_first = False
    if options.table:
        options.table.write_text(_table(tallies, options.seed))
    print(_table(tallies, options.seed), end="")
    found = {name: tally for name, tally in tallies.items() if _findings(tally)}
    for name, tally in found.items():
        print(f"\n{name}", *tally.examples, sep="\n  ")
    if found:
        print(f"\nthe inputs lie in {state / 'inputs'}")
    return 1 if found else 0


def _findings(tally: Tally) -> int:
    return tally.raw + tally.crashes + tally.hangs + tally.memory + tally.left


def _load(path: Path) -> dict[str, Tally]:
    return {name: Tally(**values) for name, values in json.loads(path.read_text()).items()} if path.exists() else {}


def _save(path: Path, tallies: dict[str, Tally]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps({name: vars(tally) for name, tally in tallies.items()}))
    temporary.replace(path)


def _table(tallies: dict[str, Tally], seed: int) -> str:
    """The counts of each format, and of all."""
    rows = [
        ["format", "inputs", "raw exceptions", "crashes", "hangs", "above 1 GiB", "files left", "inputs per s of CPU"]
    ]
    for name, tally in [*tallies.items(), ("**all**", _sum(tallies))]:
        rows.append(
            [
                name,
                *(f"{getattr(tally, column):,}" for column in COLUMNS),
                f"{tally.inputs / max(tally.seconds, 1e-9):.0f}",
            ]
        )
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" + "|---:" * (len(rows[0]) - 1) + "|")
    return (
        f"Seed {seed}, {platform.system()} {platform.machine()}, Python {platform.python_version()}.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def _sum(tallies: dict[str, Tally]) -> Tally:
    total = Tally()
    for tally in tallies.values():
        for column in (*COLUMNS, "seconds"):
            setattr(total, column, getattr(total, column) + getattr(tally, column))
    return total


if __name__ == "__main__":
    sys.exit(main())
