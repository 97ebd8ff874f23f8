"""Streams: how late words come, how many are wrong, and what it costs, for several settings of the first pass.

    python tools/bench/stream.py dev.jsonl --chunks 0.24,2,0.36 --chunks 0.48,2,0.48 --output results.jsonl
    python tools/bench/stream.py --show results.jsonl --picture docs/streaming.svg

Each utterance is a stream of its own, in blocks of 40 ms, with a second of its own background noise at its end. The
clock is that of one core that does nothing else: computing is counted by CPU time and waits for its turn. A word's
delay runs from its end to the moment from which on the right word of the first pass is shown in its place for good.
`--second-pass` also computes the final words. Where a file of results is given, what is in it is not computed again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from asr.audio.pauses import hop_levels
from asr.audio.read import Samples, read_audio
from asr.backends.stream import Chunks
from asr.data.manifest import Utterance as Item
from asr.data.manifest import read_manifest
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.stream import StreamEvent, StreamSettings, Utterance
from asr.score.simple import wer

BLOCK_SECONDS = 0.04
TAIL_SECONDS = 1.0


@dataclass
class Counts:
    """What was measured over streams."""

    delays: list[float] = field(default_factory=list)
    shown: int = 0
    changed: int = 0
    cpu: float = 0.0
    audio: float = 0.0
    texts: list[str] = field(default_factory=list)


def with_tail(samples: Samples, rate: int, seed: int) -> Samples:
    """A recording that goes on for a second with noise as loud as its softest parts."""
    level = 10 ** (np.percentile(hop_levels(samples, rate), 5) / 20)
    noise = level * np.random.default_rng(seed).standard_normal(round(TAIL_SECONDS * rate))
    return np.concatenate([samples, noise.astype(np.float32)])


def follow(recognizer: Recognizer, samples: Samples, settings: StreamSettings, counts: Counts) -> None:
    """Send one recording through a stream and count."""
    rate = recognizer.backend.sample_rate
    stream, step = recognizer.stream(rate, settings), round(BLOCK_SECONDS * rate)
    events: list[tuple[float, StreamEvent]] = []
    free = 0.0  # when the core has done its work so far
    for first in range(0, len(samples) + 1, step):
        block = samples[first : first + step]
        started = time.thread_time()
        new = stream.push(block) if len(block) == step else [*stream.push(block), *stream.finish()]
        spent = time.thread_time() - started
        free = max(free, (first + len(block)) / rate) + spent
        counts.cpu += spent
        events += [(free, event) for event in new]
    counts.audio += len(samples) / rate
    counts.texts.append(" ".join(event.text for _, event in events if isinstance(event, Utterance)))
    _count(events, counts)


def _count(events: Sequence[tuple[float, StreamEvent]], counts: Counts) -> None:
    """Delays and changes, utterance by utterance."""
    updates: list[tuple[float, list[str]]] = []
    for at, event in events:
        updates.append((at, [word.word for word in event.words]))
        if not isinstance(event, Utterance):
            continue
        final = updates[-1][1]
        before: list[str] = []
        for _, words in updates[:-1]:
            for place, word in enumerate(words):
                if before[place : place + 1] != [word]:
                    counts.shown += 1
                    counts.changed += final[place : place + 1] != [word]
            before = words
        for place, word in enumerate(event.words):
            since = updates[-1][0]
            for when, words in reversed(updates):
                if words[place : place + 1] != [word.word]:
                    break
                since = when
            counts.delays.append(since - word.end)
        updates = []


def measure(recognizer: Recognizer, items: Sequence[Item], settings: StreamSettings) -> dict[str, Any]:
    """The figures of one setting, over utterances."""
    counts = Counts()
    for number, item in enumerate(items):
        rate = recognizer.backend.sample_rate
        samples = read_audio(item.audio_filepath, item.offset, item.duration or None, rate)
        follow(recognizer, with_tail(samples, rate, number), settings, counts)
    return {
        "wer": 100 * wer([item.text for item in items], counts.texts),
        "delay_median": float(np.median(counts.delays)),
        "delay_90": float(np.percentile(counts.delays, 90)),
        "changed": 100 * counts.changed / max(1, counts.shown),
        "rtf": counts.cpu / counts.audio,
        "streams": counts.audio / counts.cpu,
        "words": len(counts.delays),
    }


def offline(recognizer: Recognizer, items: Sequence[Item]) -> dict[str, Any]:
    """The word error rate of the same samples as files."""
    rate = recognizer.backend.sample_rate
    texts = []
    for number, item in enumerate(items):
        samples = read_audio(item.audio_filepath, item.offset, item.duration or None, rate)
        texts.append(recognizer.transcribe(with_tail(samples, rate, number), rate=rate).text)
    return {"wer": 100 * wer([item.text for item in items], texts)}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Results as a table in Markdown."""
    lines = [
        "| set | piece, left, right (s) | shown after (s) | WER | delay: median, 90% (s) | changed | streams a core |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        chunks = ", ".join(f"{value:g}" for value in row["chunks"]) if row["chunks"] else row["what"]
        figures = "– | – | –"
        if "delay_90" in row:
            delay = f"{row['delay_median']:.2f}, {row['delay_90']:.2f}"
            figures = f"{delay} | {row['changed']:.1f}% | {row['streams']:.1f}"
        what = f"{chunks}, {row['what']}" if row["chunks"] and row["what"] != "first pass" else chunks
        lines.append(f"| {row['set']} | {what} | {row.get('show_after', '–')} | {row['wer']:.2f}% | {figures} |")
    return "\n".join(lines)


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Delay against WER, a line a set."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "stream"}  # small, and the same for the same results
    figure, axes = plt.subplots(figsize=(6.5, 4))
    for name in dict.fromkeys(row["set"] for row in rows):
        points = sorted(
            (row["delay_median"], row["wer"], row["chunks"])
            for row in rows
            if row["set"] == name and row["what"] == "first pass" and row.get("default_show")
        )
        lines = axes.plot([x for x, _, _ in points], [y for _, y, _ in points], "o-", label=f"{name}: first pass")
        for x, y, chunks in points:
            axes.annotate(
                "/".join(f"{value:g}" for value in chunks), (x, y), (3, 4), textcoords="offset points", size=7
            )
        for row in rows:
            if row["set"] == name and row["what"] == "offline, n-gram":
                axes.axhline(row["wer"], ls="--", lw=1, color=lines[0].get_color(), label=f"{name}: offline, n-gram")
    axes.set(xlabel="delay of a word behind its end, median (s)", ylabel="WER (%)")
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs="*", type=Path)
    parser.add_argument("--chunks", action="append", default=[], metavar="PIECE,LEFT,RIGHT")
    parser.add_argument("--show-after", action="append", type=float, default=[])
    parser.add_argument("--limit", type=int, default=60, help="utterances of each manifest, spread evenly")
    parser.add_argument("--second-pass", action="store_true", help="also the final words, with the LSTM")
    parser.add_argument("--output", type=Path, default=Path("stream.jsonl"))
    parser.add_argument("--show", type=Path, help="print the table of a file of results")
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    if arguments.show is None:
        compute(arguments)
    rows = [json.loads(line) for line in (arguments.show or arguments.output).read_text().splitlines()]
    print(table(rows))
    if arguments.picture is not None:
        draw(rows, arguments.picture)


def compute(arguments: argparse.Namespace) -> None:
    """Append to the file of results what it does not hold yet."""
    path: Path = arguments.output
    known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    default = StreamSettings()
    chunks = [Chunks(*map(float, text.split(","))) for text in arguments.chunks] or [default.chunks]
    quick = Recognizer.load(neural_lm="none", raw=True, threads=1)
    whole = Recognizer.load(raw=True, threads=1) if arguments.second_pass else None
    for manifest in arguments.manifests:
        items = sorted(read_manifest(manifest).utterances, key=lambda item: item.id)
        items = items[:: max(1, len(items) // arguments.limit)][: arguments.limit]
        jobs: list[tuple[dict[str, Any], Any]] = [({"what": "offline, n-gram", "chunks": None}, (offline, quick))]
        if whole is not None:
            jobs.append(({"what": "offline, LSTM", "chunks": None}, (offline, whole)))
        for chunk in chunks:
            for show in arguments.show_after or [default.show_after]:
                key = {"what": "first pass", "chunks": [chunk.piece, chunk.left, chunk.right], "show_after": show}
                key["default_show"] = show == default.show_after
                settings = StreamSettings(chunk, show, second_pass=False)
                jobs.append((key, (measure, quick, settings)))
                if whole is not None:
                    jobs.append((key | {"what": "final words"}, (measure, whole, StreamSettings(chunk, show))))
        for key, (function, recognizer, *settings) in jobs:
            key = {"set": manifest.stem, "utterances": len(items), **key}
            if any(all(row.get(name) == value for name, value in key.items()) for row in known):
                continue
            known.append(key | function(recognizer, items, *settings))
            with path.open("a") as file:
                file.write(json.dumps(known[-1]) + "\n")
            print(json.dumps(known[-1]), flush=True)


if __name__ == "__main__":
    main()
