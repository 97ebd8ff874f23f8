"""Odd audio: what soundfile or FFmpeg (PyAV) reads in a folder, read by `asr.load_audio`, in a process that may die.

    python tools/bench/odd_audio.py FOLDER [--table tools/bench/ODD_AUDIO.md]

A file counts as readable where a peer decodes one sample or more of it. Exits with 1 if anything but the program's own
errors came, or if what is read is not as long as what a peer reads.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

SECONDS = 120  # for a file
RATE = 16000
TOLERANCE = 0.15  # seconds: delays and padding of coders are cut by some readers and not by others


def by_soundfile(path: Path) -> float:
    import soundfile

    samples, rate = soundfile.read(path)
    return len(samples) / rate


def by_ffmpeg(path: Path) -> float:
    import av

    seconds = 0.0
    with av.open(str(path), metadata_errors="ignore") as container:
        for frame in container.decode(audio=0):
            seconds += frame.samples / frame.sample_rate
    return seconds


def by_asr(path: Path) -> float:
    from asr import load_audio

    return len(load_audio(path, sample_rate=RATE)) / RATE


READERS = {"soundfile": by_soundfile, "ffmpeg": by_ffmpeg, "asr": by_asr}


def read(name: str, path: Path) -> tuple[float | None, str]:
    """Seconds, or why there are none."""
    from asr.errors import AsrError

    try:
        return READERS[name](path), ""
    except AsrError as error:
        return None, str(error)
    except Exception as error:
        return None, f"{type(error).__name__}: {error}" if name != "asr" else f"RAW {type(error).__name__}: {error}"


class Apart:
    """Reads in a process of its own, which may die or hang and is then replaced."""

    def __init__(self) -> None:
        self.pool = ProcessPoolExecutor(1)

    def read(self, name: str, path: Path) -> tuple[float | None, str]:
        """Seconds, or why there are none."""
        try:
            return self.pool.submit(read, name, path).result(timeout=SECONDS)
        except (BrokenProcessPool, TimeoutError) as error:
            for process in multiprocessing.active_children():
                process.kill()
            self.pool = ProcessPoolExecutor(1)
            return None, f"RAW {type(error).__name__}"


def verdict(found: dict[str, tuple[float | None, str]]) -> str:
    mine, reason = found["asr"]
    peers = [seconds for name, (seconds, _) in found.items() if name != "asr" and seconds]
    if reason.startswith("RAW"):
        return "raw exception"
    if mine is None:
        return "refused, a peer reads it" if peers else "refused by all"
    if not peers:
        return "read by asr alone"
    return "read" if min(abs(mine - seconds) for seconds in peers) <= TOLERANCE else "read, another length"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    apart, counts = Apart(), Counter[str]()
    shown: list[str] = []
    for path in sorted(filter(Path.is_file, options.folder.rglob("*"))):
        found = {name: apart.read(name, path) for name in READERS}
        result = verdict(found)
        counts[result] += 1
        if result != "read":
            lengths = ", ".join(
                f"{name} {seconds:.2f} s" for name, (seconds, _) in found.items() if seconds is not None
            )
            shown.append(f"| {path.name} | {result} | {lengths} | {found['asr'][1]} |")
            print(shown[-1], flush=True)
    lines = ["| result | files |", "|---|---:|", *(f"| {name} | {count} |" for name, count in counts.most_common())]
    print("\n".join(lines))
    if options.table:
        detail = ["| file | result | seconds | asr says |", "|---|---|---|---|", *shown]
        options.table.write_text("\n".join([*lines, "", *detail]) + "\n")
    return 1 if counts["raw exception"] or counts["read, another length"] else 0


if __name__ == "__main__":
    sys.exit(main())
