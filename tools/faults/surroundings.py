"""Full disks, homes that are missing or cannot be written, files that vanish or grow: a sentence, nothing half done."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import children
import kills
import numpy as np

from asr import shipped
from asr.cli.main import main

NOBODY = 54321  # a user that the password file does not have
WAYS = (0.0, 0.3, 0.7, 0.98)  # of the size that an output has, at which the disk is full


def writers(folder: Path) -> dict[str, tuple[list[object], Path]]:
    """Commands and what each writes last, by name."""
    kills.corpus(folder)
    manifest, text = folder / "all.jsonl", folder / "text.txt"
    text.write_text("a b a\nb a b b\na a b\n" * 300)
    (folder / "spoken.txt").write_text("one\n")
    (folder / "lexicon.txt").write_text("a\ta |\nb\tb |\n")
    out = folder / "out"
    model = shipped.model_folder("digits")
    (folder / "c.toml").write_text(kills.CONFIG.replace('"tokens.txt"', f'"{folder / "tokens.txt"}"'))
    train = ["train", "--config", folder / "c.toml", "--train", manifest, "--dev", manifest, "--set", "train.epochs=1"]
    return {
        "transcribe --output-dir": (
            ["transcribe", folder / "u00.wav", "--model", model, "--format", "json", "--output-dir", out], out),
        "decode --output": (["decode", "--model", model, "--manifest", manifest, "--output", out / "h.trn"], out),
        "decode --save-log-probs": (
            ["decode", "--model", model, "--manifest", manifest, "--save-log-probs", out / "l.npz"], out),
        "align --output": (
            ["align", folder / "u00.wav", folder / "spoken.txt", "--model", model, "--output", out / "a.srt"], out),
        "features --output": (["features", folder / "u00.wav", "--output", out / "f.npy"], out),
        "data import": (["data", "import", manifest, "--output", out / "m.jsonl"], out),
        "data augment": (["data", "augment", manifest, "--output", out / "aug"], out),
        "tokens words": (["tokens", "words", text, "--output", out / "w.txt"], out),
        "lm ngram": (["lm", "ngram", text, "--order", "3", "--output", out / "l.arpa"], out),
        "lm ngram .gz": (["lm", "ngram", text, "--order", "3", "--output", out / "l.arpa.gz"], out),
        "checkpoint pack": (["checkpoint", "pack", model, "--dtype", "float16", "--output", out / "m"], out),
        "train": ([*train, "--output", out / "t"], out),
    }  # fmt: skip


def full_disk(folder: Path, only: str = "") -> list[list[str]]:
    """Each writer with a limit of the size of any file, which fails as a full disk does (EFBIG)."""
    rows = []
    log = folder / "log"
    for name, (command, out) in writers(folder).items():
        if only not in name:
            continue
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        good = children.run(command, log)
        sizes = {path.relative_to(out): path.stat().st_size for path in out.rglob("[!.]*") if path.is_file()}
        if good.code != 0 or (not sizes and name != "align --output"):
            rows.append([name, "-", f"NOT RUN: exit code {good.code} {good.err[-150:]!r}"])
            continue
        largest, wrong = max(sizes.values(), default=0), []
        for share in WAYS:
            shutil.rmtree(out)
            out.mkdir()
            limit = int(share * largest)
            ended = children.run_piped(command, lambda limit=limit: _limit(limit))
            if ended.code != 1 or "Traceback" in ended.err:
                wrong.append(f"at {limit} bytes exit code {ended.code} {ended.err[-200:]!r}")
            elif not any(part in ended.err for part in (str(out), *map(str, sizes), tempfile.gettempdir())):
                wrong.append(f"at {limit} bytes no file is named: {ended.err[-120:]!r}")
            for path in out.rglob("*"):
                if (
                    path.is_file()
                    and "training" not in path.parts
                    and path.stat().st_size < sizes.get(path.relative_to(out), 0)
                ):
                    wrong.append(f"{path.name} is cut")
            wrong += [f"left behind: {left}" for left in children.leftovers(out)]
        rows.append([name, str(len(WAYS)), _verdict(wrong)])
    return rows


def _limit(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    os.environ["XDG_CACHE_HOME"] = "/nonexistent"
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def homes(folder: Path) -> list[list[str]]:
    """Transcription and decoding where caches and temporary files have no place. Needs root, to be another user."""
    kills.corpus(folder)
    os.chmod(folder, 0o755)
    model = folder / "model"
    shutil.copytree(shipped.model_folder("an4"), model)
    for path in (model, *model.rglob("*")):
        os.chmod(path, 0o755 if path.is_dir() else 0o644)
    locked = folder / "locked"
    locked.mkdir(mode=0o555)
    (folder / "log").touch()
    os.chmod(folder / "log", 0o666)

    def changed(command: list[object], values: dict[str, str]) -> None:
        # The program itself may lie where only its owner can read: a run before leaves every module imported.
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache of the run before")
        with contextlib.suppress(SystemExit):
            main([str(argument) for argument in command])
        for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR"):
            os.environ.pop(name, None)
        os.environ.update(values)
        tempfile.tempdir = None
        _become_nobody()

    at = str(locked)
    rows = []
    for name, values in {
        "no HOME, and no entry in the password file": {},
        "a home that cannot be written": {"HOME": at},
        "neither home nor TMPDIR can be written": {"HOME": at, "TMPDIR": at, "XDG_CACHE_HOME": at},
        "a HOME that does not exist": {"HOME": "/nonexistent"},
        "a cache folder that is somebody else's": {"HOME": at, "XDG_CACHE_HOME": str(folder)},
    }.items():
        wrong = []
        for command in (["transcribe", folder / "u00.wav", "--model", model],
                        ["decode", "--model", model, "--manifest", folder / "all.jsonl"]):  # fmt: skip
            ended = children.run(command, folder / "log", before=partial(changed, command, values))
            if ended.code != 0:
                wrong.append(f"{command[0]}: exit code {ended.code} {ended.err[-200:]!r}")
        rows.append([name, "2", _verdict(wrong)])
    return rows


def changing_files(folder: Path) -> list[list[str]]:
    """Files that vanish, grow or are cut while they are read."""
    import soundfile

    model = shipped.model_folder("digits")
    rows = []
    for name, change in {
        "the file vanishes": lambda path: path.unlink(),
        "the file grows": lambda path: path.open("ab").write(bytes(1 << 20)),
        "the file is cut": lambda path: os.truncate(path, 1 << 16),
        "another file takes its place": lambda path: os.replace(
            shutil.copy(folder / "other.wav", folder / "new"), path
        ),
    }.items():
        wrong = []
        soundfile.write(folder / "other.wav", np.zeros(16000), 16000)
        for delay in (0.0, 0.05, 0.5):
            path = folder / "long.wav"
            soundfile.write(path, np.random.default_rng(0).normal(0, 0.05, 16000 * 120), 16000)
            log = folder / "log"
            process = children.start(["transcribe", path, folder / "other.wav", "--model", model], log)
            thread = threading.Thread(
                target=lambda path=path, delay=delay, change=change: (time.sleep(delay), change(path))
            )
            thread.start()
            ended = children.wait(process, log)
            thread.join()
            if ended.code not in (0, 1) or "Traceback" in ended.err or str(folder / "other.wav") not in ended.err:
                wrong.append(f"after {delay} s exit code {ended.code} {ended.err[-200:]!r}")
        rows.append([name, "3", _verdict(wrong)])
    return rows


def jumping_clock(folder: Path) -> list[list[str]]:
    """A clock that goes years forward or back at each look, while caches are made and read, files written, networks
    trained: nothing comes out otherwise."""
    kills.corpus(folder)
    (folder / "c.toml").write_text(kills.CONFIG.replace('"tokens.txt"', f'"{folder / "tokens.txt"}"'))
    manifest, years, real = folder / "all.jsonl", 365.25 * 86400, time.time

    def jumps() -> None:
        dice = random.Random(1)
        time.time = lambda: max(0.0, real() + dice.uniform(-3 * years, 3 * years))

    commands: dict[str, list[object]] = {
        "out.json": ["transcribe", folder / "u00.wav", "--model", "digits", "--format", "json", "--output"],
        "decoded.trn": ["decode", "--model", shipped.model_folder("an4"), "--manifest", manifest, "--output"],
        "trained": ["train", "--config", folder / "c.toml", "--train", manifest, "--dev", manifest, "--output"],
    }
    rows = []
    for name, command in commands.items():
        wrong = []
        for kind, before in (("still", None), ("jumping", jumps), ("again", jumps)):
            caches = {"XDG_CACHE_HOME": str(folder / ("still" if before is None else "jumping"))}
            ended = children.run([*command, folder / f"{kind}-{name}"], folder / "log", 0.0, before, caches)
            if ended.code != 0:
                wrong.append(f"{kind}: exit code {ended.code} {ended.err[-200:]!r}")
        still, *others = ((folder / f"{kind}-{name}") for kind in ("still", "jumping", "again"))
        still, *others = ((path / "model.safetensors" if path.is_dir() else path) for path in (still, *others))
        wrong += [f"{path} differs" for path in others if not wrong and path.read_bytes() != still.read_bytes()]
        rows.append([f"the clock jumps by years: {command[0]}", "2", _verdict(wrong)])
    return rows


def _verdict(wrong: list[str]) -> str:
    return "as it must be" if not wrong else f"{len(wrong)} WRONG: {'; '.join(wrong[:3])}"
