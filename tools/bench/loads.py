"""Long, loud, silent and many: time and memory of `asr transcribe` and its kin, as a table.

    python tools/bench/loads.py --hours 3 --table tools/bench/LOADS.md [--only silence,noise] [--model english]

Each row is a process of its own on one core: processor seconds, seconds of wall clock, and the largest resident memory.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "tests" / "speech" / "hello.flac"
RATE = 16000
MINUTE = 60 * RATE
LIMIT_MB = 700

Minute = Callable[[int, np.random.Generator], np.ndarray]


def _speech(_: int, dice: np.random.Generator) -> np.ndarray:
    """The recording of the tests again and again, at changing loudness, pauses between."""
    spoken, _rate = soundfile.read(SPEECH, dtype="float32")
    pieces: list[np.ndarray] = []
    while sum(map(len, pieces)) < MINUTE:
        pieces += [spoken * dice.uniform(0.3, 1.5), np.zeros(int(dice.uniform(0.05, 1.0) * RATE))]
    return np.concatenate(pieces)[:MINUTE]


def _tones(minute: int, _: np.random.Generator) -> np.ndarray:
    time_ = np.arange(MINUTE) / RATE
    return 0.3 * np.sin(2 * np.pi * (100 + 37 * (minute % 60)) * time_)


SOUNDS: dict[str, tuple[int, Minute]] = {
    "speech": (RATE, _speech),
    "silence": (RATE, lambda _, dice: np.zeros(MINUTE)),
    "white noise": (RATE, lambda _, dice: 0.05 * dice.standard_normal(MINUTE)),
    "tones": (RATE, _tones),
    "clipped speech": (RATE, lambda minute, dice: np.clip(30 * _speech(minute, dice), -1, 1)),
    "speech at -60 dB": (RATE, lambda minute, dice: 1e-3 * _speech(minute, dice)),
    "speech at 8 kHz": (8000, lambda minute, dice: _speech(minute, dice)[::2]),
}


def measured(arguments: list[object], log: Path) -> tuple[int, float, float, int]:
    """Exit code, processor seconds, wall seconds and largest memory in MB of `asr` with these arguments."""
    started = time.monotonic()
    process = os.fork()
    if process == 0:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "asr", *map(str, arguments)]
        os.execve(sys.executable, command, environment)
    _, status, usage = os.wait4(process, 0)
    code = os.waitstatus_to_exitcode(status)
    return code, usage.ru_utime + usage.ru_stime, time.monotonic() - started, usage.ru_maxrss >> 10


def long_sound(folder: Path, name: str, hours: float) -> Path:
    rate, minute = SOUNDS[name]
    path = folder / "long.wav"
    dice = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        for number in range(max(1, round(60 * hours))):
            file.write(minute(number, dice).astype(np.float32))
    return path


def many(folder: Path, number: int, seconds: float) -> Path:
    files = folder / "many"
    files.mkdir()
    soundfile.write(folder / "one.wav", np.zeros(int(seconds * RATE)), RATE)
    content = (folder / "one.wav").read_bytes()
    for index in range(number):
        (files / f"{index:06d}.wav").write_bytes(content)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--model", default="english")
    parser.add_argument("--only", default="", help="names of rows, by commas")
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    transcribe: list[object] = ["transcribe", "--threads", 1, "--neural-lm", "none", "--model"]
    rows: list[str] = []
    for name in [*SOUNDS, "100000 files", "2000 files", "20000 hotwords", "a word 100000 times in a lexicon"]:
        if only and name not in only:
            continue
        with tempfile.TemporaryDirectory() as base:
            folder = Path(base)
            length = ""
            if name in SOUNDS:
                length = f" ({options.hours:g} h, {options.model})"
                command = [*transcribe, options.model, long_sound(folder, name, options.hours)]
            elif name.endswith("files"):
                number = int(name.split()[0])
                files = many(folder, number, 1e-3 if number > 10_000 else 0.3)
                length = " of silence (digits)"
                command = [*transcribe, "digits", files, "--output-dir", folder / "out"]
            elif name.endswith("hotwords"):
                syllables = ["ka", "lo", "mi", "ru", "te", "vo", "za", "ni", "po", "shu", "der", "gan", "bel", "fi"]
                words = [a + b + c + d for a in syllables for b in syllables for c in syllables for d in syllables]
                (folder / "hot.txt").write_text("".join(f"{word}\n" for word in words[:20_000]))
                command = [*transcribe, options.model, SPEECH, "--hotwords", folder / "hot.txt"]
            else:
                ways = (np.random.default_rng(0).integers(0, 26, (100_000, 6)) + ord("a")).astype(np.uint8)
                lines = ("word\t" + " ".join(bytes(way).decode()) + " |\n" for way in ways)
                (folder / "lexicon.txt").write_text("".join(lines))
                (folder / "tokens.txt").write_text("<blank>\n|\n" + "".join(f"{chr(97 + i)}\n" for i in range(26)))
                np.savez(folder / "l.npz", u=np.log(np.full((50, 28), 1 / 28, np.float32)))
                command = ["decode", "--log-probs", folder / "l.npz", "--tokens", folder / "tokens.txt", "--lexicon",
                           folder / "lexicon.txt"]  # fmt: skip
            code, seconds, wall, memory = measured(command, folder / "log")
            words_out = len((folder / "log").read_text(errors="replace").split())
            verdict = "" if code == 0 and memory <= LIMIT_MB else " **above the limit**" if code == 0 else " **failed**"
            rows.append(f"| {name}{length} | {code} | {seconds:.0f} | {wall:.0f} | {memory}{verdict} | {words_out} |")
            print(rows[-1], flush=True)
        if options.table:
            head = [
                "| load | exit code | CPU s | wall s | largest memory, MB | words printed |",
                "|---|---:|---:|---:|---:|---:|",
            ]
            options.table.write_text("\n".join([*head, *rows]) + "\n")


if __name__ == "__main__":
    main()
