"""`kill -9` at random moments: what is there afterwards is whole, and going on gives what it would have been."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import children
import numpy as np
import soundfile

RATE = 16000
CONFIG = """tokens = "tokens.txt"

[data]
batch_seconds = 1.9

[model]
hidden_size = 16
num_layers = 1
input_size = 16
conv_channels = 4

[model.features]
num_mel_bins = 20

[train]
epochs = 6
device = "cpu"
threads = 1
peak_lr = 0.01
checkpoint_seconds = 0.0
validate_every = 1
average = 2
"""


def corpus(folder: Path) -> Path:
    """A folder of short recordings in which a low tone is "a" and a high one "b", and their manifest."""
    dice = np.random.default_rng(0)
    lines = []
    for number in range(12):
        text = "".join(dice.choice(["a", "b"], 3))
        time = np.arange(RATE // 5) / RATE
        pieces = [np.sin(2 * np.pi * (300 if sign == "a" else 2500) * time) * np.hanning(len(time)) for sign in text]
        samples = 0.5 * np.concatenate(pieces) + 0.01 * dice.normal(size=len(time) * 3)
        soundfile.write(folder / f"u{number:02d}.wav", samples, RATE)
        lines.append(json.dumps({"id": f"u{number:02d}", "audio_filepath": f"u{number:02d}.wav", "duration": 0.6,
                                 "text": " ".join(text)}))  # fmt: skip
    (folder / "all.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "tokens.txt").write_text("<blank>\n|\na\nb\n")
    return folder


def training(folder: Path, kills: int, seed: int) -> list[str]:
    """A training that saves its state after every step is killed and resumed; weights and log must be the same."""
    corpus(folder)
    (folder / "c.toml").write_text(CONFIG.replace('"tokens.txt"', f'"{folder / "tokens.txt"}"'))
    log = folder / "log"
    manifest = folder / "all.jsonl"
    train = ["train", "--config", folder / "c.toml", "--train", manifest, "--dev", manifest, "--resume", "--output"]
    whole = children.run([*train, folder / "whole"], log)
    assert whole.code == 0, whole.err
    dice, killed, runs, wrong = random.Random(seed), 0, 0, []
    losses = [entry["loss"] for entry in _log(folder / "whole") if entry["kind"] == "epoch"]
    while killed < kills:
        output = folder / "cut"
        shutil.rmtree(output, ignore_errors=True)
        runs += 1
        while True:
            ended = children.run([*train, output], log, children.moment(dice, 1.2 * whole.seconds))
            if ended.code != -9:
                break
            killed += 1
        if ended.code != 0:
            wrong.append(f"exit code {ended.code}: {ended.err[-300:]}")
        else:
            wrong += _differences(folder / "whole", output)
        wrong += [f"left behind: {name}" for name in children.leftovers(output)]
    learned = f"loss {losses[0]:.2f} to {losses[-1]:.2f}"
    return [f"training, its state saved after every step ({learned}); {runs} runs", str(killed), *_verdict(wrong)]


def _log(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "training" / "log.jsonl").read_text().splitlines()]


def _differences(one: Path, two: Path) -> list[str]:
    """What differs between the folders of two trainings: log entries, but for their times, and weights."""
    timed = ("wall", "seconds", "speed", "time")
    logs = [
        [{k: v for k, v in entry.items() if not any(t in k for t in timed)} for entry in _log(each)]
        for each in (one, two)
    ]
    found = [] if logs[0] == logs[1] else [f"another log: {logs[0]} and {logs[1]}"]
    same_weights = (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    return found if same_weights else [*found, "other weights"]


def transcribing(folder: Path, kills: int, seed: int) -> list[str]:
    """Bulk transcription is killed; every output that is there is whole, and the next run completes them."""
    corpus(folder)
    log = folder / "log"
    files = sorted(folder.glob("*.wav"))
    command = ["transcribe", *files, "--model", "digits", "--format", "json", "--format", "srt", "--output-dir"]
    whole = children.run([*command, folder / "whole"], log)
    assert whole.code == 0, whole.err
    wanted = {path.name: path.read_bytes() for path in (folder / "whole").glob("[!.]*")}
    dice, killed, wrong = random.Random(seed), 0, []
    while killed < kills:
        output = folder / "cut"
        shutil.rmtree(output, ignore_errors=True)
        ended = children.run([*command, output], log, children.moment(dice, whole.seconds))
        killed += ended.code == -9
        for path in output.glob("[!.]*"):
            if path.read_bytes() != wanted[path.name]:
                wrong.append(f"{path.name} is not whole")
        wrong += _after(command, output, wanted, log)
    return ["bulk transcription of 12 files to two formats", str(killed), *_verdict(wrong)]


def results(folder: Path, kills: int, seed: int) -> list[str]:
    """Bulk transcription to a file of results is killed and resumed until it is done: each file once, the same text."""
    corpus(folder)
    log = folder / "log"
    files = sorted(folder.glob("*.wav"))
    command = ["transcribe", *files, "--model", "digits", "--threads", 1, "--jobs", 4, "--resume", "--output"]
    whole = children.run([*command, folder / "whole.jsonl"], log)
    assert whole.code == 0, whole.err
    wanted = sorted((folder / "whole.jsonl").read_text().splitlines())
    dice, killed, runs, wrong = random.Random(seed), 0, 0, []
    while killed < kills:
        output = folder / "cut.jsonl"
        output.unlink(missing_ok=True)
        runs += 1
        ended = children.run([*command, output], log, children.moment(dice, whole.seconds))
        while ended.code == -9:
            killed += 1
            ended = children.run([*command, output], log, children.moment(dice, whole.seconds))
        if ended.code != 0:
            wrong.append(f"exit code {ended.code}: {ended.err[-300:]}")
        elif sorted(output.read_text().splitlines()) != wanted:
            wrong.append("other results, or not each once")
    return [f"bulk transcription of 12 files to results, four at once; {runs} runs", str(killed), *_verdict(wrong)]


def packing(folder: Path, kills: int, seed: int) -> list[str]:
    """Packing a model is killed; the folder cannot be opened, which is said, or is whole; another run makes it so."""
    from asr import shipped

    log = folder / "log"
    command = ["checkpoint", "pack", shipped.model_folder("digits"), "--dtype", "float16", "--output"]
    whole = children.run([*command, folder / "whole"], log)
    assert whole.code == 0, whole.err
    wanted = {path.name: path.read_bytes() for path in (folder / "whole").iterdir()}
    dice, killed, wrong = random.Random(seed), 0, []
    while killed < kills:
        output = folder / "cut"
        shutil.rmtree(output, ignore_errors=True)
        killed += children.run([*command, output], log, children.moment(dice, whole.seconds)).code == -9
        for path in output.glob("[!.]*"):
            if path.read_bytes() != wanted[path.name] and path.name != "config.json":
                wrong.append(f"{path.name} is not whole")
        shown = children.run(["checkpoint", "show", output], log)
        if shown.code not in (0, 1) or "Traceback" in shown.err:
            wrong.append(f"show: exit code {shown.code}")
        wrong += _after(command, output, wanted, log)
        wrong += [f"left beside it: {path.name}" for path in folder.glob(".*")]
    return ["packing a model", str(killed), *_verdict(wrong)]


def caching(folder: Path, kills: int, seed: int) -> list[str]:
    """Two processes fill an empty cache at once and one or both are killed; the next ones give the same hypotheses."""
    from asr import shipped

    model = shipped.model_folder("an4")
    corpus(folder)
    log, home = folder / "log", folder / "home"
    environment = {"XDG_CACHE_HOME": str(home)}
    command = ["decode", "--model", model, "--manifest", folder / "all.jsonl", "--output"]
    home.mkdir()
    whole = children.run([*command, folder / "whole.trn"], log, environment=environment)
    assert whole.code == 0, whole.err
    wanted = (folder / "whole.trn").read_bytes()
    dice, killed, wrong = random.Random(seed), 0, []
    while killed < kills:
        shutil.rmtree(home)
        home.mkdir()
        logs = [folder / "log1", folder / "log2"]
        started = [
            children.start([*command, folder / f"{n}.trn"], at, environment=environment) for n, at in enumerate(logs)
        ]
        for number, (process, at) in enumerate(zip(started, logs, strict=True)):
            after = children.moment(dice, 1.5 * whole.seconds)  # in one case of three both or one survive
            ended = children.wait(process, at, after)
            killed += ended.code == -9
            if ended.code == 0 and (folder / f"{number}.trn").read_bytes() != wanted:
                wrong.append("other hypotheses beside another process")
        again = children.run([*command, folder / "again.trn"], log, environment=environment)
        if again.code != 0 or (folder / "again.trn").read_bytes() != wanted:
            wrong.append(f"the next run: exit code {again.code}, {again.err[-200:]}")
        wrong += [f"left behind: {name}" for name in children.leftovers(home)]
    return ["two processes that fill one cache at once", str(killed), *_verdict(wrong)]


def _after(command: list[object], output: Path, wanted: dict[str, bytes], log: Path) -> list[str]:
    """What is wrong after another run to the end into a folder whose run was killed."""
    again = children.run([*command, output], log)
    wrong = []
    if again.code != 0 or {path.name: path.read_bytes() for path in output.glob("[!.]*")} != wanted:
        wrong.append(f"the next run: exit code {again.code}")
    return wrong + [f"left behind: {name}" for name in children.leftovers(output)]


def _verdict(wrong: list[str]) -> list[str]:
    return ["whole and the same; nothing left" if not wrong else f"{len(wrong)} WRONG: {'; '.join(wrong[:3])}"]


SCENES = {
    "training": training, "transcribing": transcribing, "results": results, "packing": packing, "caching": caching,
}  # fmt: skip
