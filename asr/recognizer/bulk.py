"""Many utterances at once: log-probabilities of a manifest, stored or computed, and their decoding."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import read_audio
from asr.audio.segment import MAX_SEGMENT_SECONDS, Segment, cut_at_pauses
from asr.backends import Backend, open_backend
from asr.callbacks import Progress
from asr.data.batching import plan_batches
from asr.data.manifest import BadItem, Utterance, read_manifest
from asr.decode.decoder import Decoder
from asr.decode.hypothesis import Hypothesis
from asr.errors import TextError, explain
from asr.json_text import parse_json
from asr.npz import read_npz, write_npz
from asr.recognizer.segments import log_probs_of
from asr.shipped import model_folder

BATCH_SECONDS = 160.0
FRAME_KEY = "seconds_per_frame"  # in the comment of an .npz archive, which other readers do not see

LogProbs = dict[str, NDArray[np.floating]]


@dataclass(frozen=True)
class StoredLogProbs:
    """Log-probabilities (frames, tokens) by utterance id, sorted, and the seconds between frames where known."""

    arrays: LogProbs
    seconds_per_frame: float | None


@dataclass(frozen=True)
class ComputedLogProbs:
    """Log-probabilities (frames, tokens) by utterance id, sorted; what could not be read; and the model that ran."""

    arrays: LogProbs
    bad: list[BadItem]
    backend: Backend


def read_log_probs(path: Path, limit: int = 0) -> StoredLogProbs:
    """The log-probabilities in an .npz, the first `limit` by id. Raises TextError if it is damaged or empty."""
    arrays, comment = read_npz(path, limit)
    if not arrays:
        raise TextError(f"{path} holds no utterance; it needs an array of log-probabilities for each, named by its id.")
    return StoredLogProbs(arrays, _frame_of(comment))


def write_log_probs(path: Path, log_probs: LogProbs, seconds_per_frame: float | None = None) -> None:
    """Store arrays by id as compressed float16 .npz.

    The seconds between frames go into the archive's comment, so that the file holds one array for each utterance and
    nothing else.
    """
    comment = b"" if seconds_per_frame is None else json.dumps({FRAME_KEY: seconds_per_frame}).encode()
    write_npz(path, {name: array.astype(np.float16) for name, array in log_probs.items()}, comment)


def _frame_of(comment: bytes) -> float | None:
    try:
        value = float(parse_json(comment)[FRAME_KEY])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return value if 0 < value < float("inf") else None


def compute_log_probs(
    model: str | Path | None,
    manifest_path: Path,
    *,
    device: str = "auto",
    backend: str = "auto",
    threads: int = 0,
    limit: int = 0,
    progress: Progress | None = None,
) -> ComputedLogProbs:
    """Log-probabilities of a manifest's utterances, of the first `limit` by id.

    Utterances longer than a segment are cut at pauses, so that memory is bounded for any length. threads: of the CPU, 0
    for all cores. progress: called with the utterances done and their number.
    """
    manifest = read_manifest(manifest_path, check_audio=True)
    runner = open_backend(model_folder(model), backend=backend, device=device, threads=threads)
    utterances = sorted(manifest.utterances, key=lambda utterance: utterance.id)[: limit or None]
    bad = list(manifest.bad)
    arrays: LogProbs = {}
    durations = [min(utterance.duration, MAX_SEGMENT_SECONDS) for utterance in utterances]
    done = 0
    for batch in plan_batches(durations, BATCH_SECONDS, shuffle=False).batches:
        pieces: list[tuple[str, Segment]] = []
        for index in batch:
            done += 1
            try:
                pieces += [(utterances[index].id, piece) for piece in _pieces(utterances[index], runner.sample_rate)]
            except Exception as error:  # whatever it is: the other utterances are computed
                bad.append(BadItem(utterances[index].id, explain(error).rstrip(".")))
        for start in range(0, len(pieces), max(1, len(batch))):  # long utterances bring more pieces than the plan knows
            part = pieces[start : start + max(1, len(batch))]
            for (name, _), array in zip(part, log_probs_of(runner, [piece for _, piece in part]), strict=True):
                arrays[name] = np.concatenate([arrays[name], array]) if name in arrays else array
        if progress is not None:
            progress(done, len(utterances))
    return ComputedLogProbs(dict(sorted(arrays.items())), bad, runner)


def _pieces(utterance: Utterance, rate: int) -> list[Segment]:
    samples = read_audio(utterance.audio_filepath, utterance.offset, utterance.duration or None, rate)
    return list(cut_at_pauses([samples], rate))


def decode_all(
    decoder: Decoder, log_probs: LogProbs, threads: int = 1, progress: Progress | None = None
) -> tuple[dict[str, Hypothesis], float]:
    """Best hypotheses by id, sorted, and the seconds of wall clock that the search took.

    The result does not depend on `threads`.
    """
    lists, seconds = decode_lists(decoder, log_probs, threads, progress)
    return {name: hypotheses[0] for name, hypotheses in lists.items()}, seconds


def decode_lists(
    decoder: Decoder, log_probs: LogProbs, threads: int = 1, progress: Progress | None = None, nbest: int = 1
) -> tuple[dict[str, list[Hypothesis]], float]:
    """The `nbest` best hypotheses of each utterance by id, and the seconds, as from `decode_all`."""
    lists: dict[str, list[Hypothesis]] = {}
    waiting = deque(log_probs)

    def work(report: Progress | None = None) -> None:
        while waiting:
            try:
                name = waiting.popleft()  # atomic: threads need no lock
            except IndexError:
                return
            lists[name] = decoder.decode(log_probs[name], nbest, name)
            if report is not None:
                report(len(lists), len(log_probs))

    threads = max(1, min(threads, len(log_probs), 8 * (os.cpu_count() or 1)))
    started = time.perf_counter()
    with ThreadPoolExecutor(max(1, threads - 1)) as pool:
        others = [pool.submit(work) for _ in range(threads - 1)]
        try:
            work(progress)
        finally:
            waiting.clear()  # where one fails, all end
        for other in others:
            other.result()
    seconds = time.perf_counter() - started
    return {name: lists[name] for name in log_probs}, seconds
