"""The whole process `asr transcribe` on a short file, beside pocketsphinx and faster-whisper's tiny.en.

    python tools/bench/start.py TEN.wav [--rounds 5] [--peers VENV/bin/python] [--whisper FOLDER]

Each command runs once unmeasured, then all take turns. Printed are medians of CPU seconds (user and system, all
threads), seconds by the clock, and the largest memory; ratios are to the first row. `--peers` is the Python of an
environment with pocketsphinx and faster-whisper; `--whisper` is a folder of the tiny.en model in CTranslate2's form.
Peers that are not there are left out, and said to be. All run with one thread. pocketsphinx runs with the model that it
installs with, at its defaults, as its program `pocketsphinx single` does; the file must be 16 kHz mono wav for it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

SPHINX = """
import sys, wave
from pocketsphinx import Decoder
decoder = Decoder(samprate=16000, loglevel="FATAL")
decoder.start_utt()
decoder.process_raw(wave.open(sys.argv[1]).readframes(10**9), full_utt=True)
decoder.end_utt()
print(decoder.hyp().hypstr if decoder.hyp() else "")
"""
WHISPER = """
import sys
from faster_whisper import WhisperModel
model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=1)
print(" ".join(segment.text for segment in model.transcribe(sys.argv[2], language="en", beam_size=5)[0]))
"""


class Run(NamedTuple):
    """What one process took: CPU seconds, seconds by the clock, MB of memory at most."""

    cpu: float
    wall: float
    memory: float


def measure(command: list[str]) -> Run:
    """One run of a command. Raises RuntimeError if it fails."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{command[:4]} failed: {errors.decode(errors='replace')[-400:]}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return Run(used.ru_utime + used.ru_stime, wall, used.ru_maxrss * unit / 1e6)


def environment() -> dict[str, str]:
    """One thread for everybody's libraries, nothing downloaded."""
    return os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def commands(options: argparse.Namespace) -> dict[str, list[str]]:
    """The command of each system that is there."""
    asr = [sys.executable, "-m", "asr", "transcribe", options.audio, "--threads", "1"]
    found = {"asr": asr, "asr, n-gram alone": [*asr, "--neural-lm", "none"]}
    if options.peers:
        if subprocess.run([options.peers, "-c", "import pocketsphinx"], check=False).returncode == 0:
            found["pocketsphinx"] = [options.peers, "-c", SPHINX, options.audio]
        if options.whisper:
            found["faster-whisper tiny.en, 8 bits"] = [options.peers, "-c", WHISPER, options.whisper, options.audio]
    for name in ("pocketsphinx", "faster-whisper tiny.en, 8 bits"):
        if name not in found:
            print(f"{name} is left out: it was not given", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers")
    parser.add_argument("--whisper")
    options = parser.parse_args()
    systems = commands(options)
    for command in systems.values():
        measure(command)
    runs: dict[str, list[Run]] = {name: [] for name in systems}
    for _ in range(options.rounds):
        for name, command in systems.items():
            runs[name].append(measure(command))
    medians = {name: Run(*map(statistics.median, zip(*rows, strict=True))) for name, rows in runs.items()}
    first = next(iter(medians.values()))
    print("| system | CPU s | times as much | s by the clock | MB |\n|---|---|---|---|---|")
    for name, row in medians.items():
        print(f"| {name} | {row.cpu:.2f} | {row.cpu / first.cpu:.2f} | {row.wall:.2f} | {row.memory:.0f} |")


if __name__ == "__main__":
    main()
