"""Many utterances at once: log-probabilities of a manifest, stored or computed, and their decoding."""

from __future__ import annotations

import time
import zipfile
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.atomic_file import replacing
from asr.audio.read import read_audio
from asr.audio.segment import MAX_SEGMENT_SECONDS, cut_at_pauses
from asr.data.batching import plan_batches
from asr.data.manifest import BadItem, Utterance, read_manifest
from asr.decode.decoder import Decoder
from asr.decode.hypothesis import Hypothesis
from asr.errors import AudioError, TextError
from asr.recognizer.shipped import model_folder

BATCH_SECONDS = 160.0

LogProbs = dict[str, NDArray[np.floating]]
Progress = Callable[[int, int], None]


def read_log_probs(path: Path, limit: int = 0) -> LogProbs:
    """Arrays of an .npz by id, sorted, the first `limit` of them. Raises TextError if the file is damaged."""
    try:
        with np.load(path) as file:
            names = sorted(file.files)[: limit or None]
            return {name: file[name] for name in names}
    except FileNotFoundError:
        raise TextError(f"{path} does not exist; check the path.") from None
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise TextError(f"{path} is no .npz of log-probs, or is damaged ({error}).") from None


def write_log_probs(path: Path, log_probs: LogProbs) -> None:
    """Store arrays by id as compressed float16 .npz."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **{name: array.astype(np.float16) for name, array in log_probs.items()})  # type: ignore[arg-type]


def compute_log_probs(
    model: str | Path | None,
    manifest_path: Path,
    device: str = "auto",
    limit: int = 0,
    progress: Progress | None = None,
) -> tuple[LogProbs, list[BadItem], Any]:
    """Log-probs of a manifest's utterances by id, sorted; those that cannot be read, with reasons; the backend used.

    Utterances longer than a segment are cut at pauses, so that memory is bounded for any length.
    """
    from asr.recognizer.torch_backend import TorchBackend

    manifest = read_manifest(manifest_path, check_audio=True)
    backend = TorchBackend(model_folder(model), device)
    utterances = sorted(manifest.utterances, key=lambda utterance: utterance.id)[: limit or None]
    bad = list(manifest.bad)
    found: LogProbs = {}
    durations = [min(utterance.duration, MAX_SEGMENT_SECONDS) for utterance in utterances]
    done = 0
    for batch in plan_batches(durations, BATCH_SECONDS, shuffle=False).batches:
        pieces: list[tuple[str, NDArray[np.float32]]] = []
        for index in batch:
            done += 1
            try:
                pieces += [(utterances[index].id, piece) for piece in _pieces(utterances[index])]
            except AudioError as error:
                bad.append(BadItem(utterances[index].id, str(error).rstrip(".")))
        for start in range(0, len(pieces), max(1, len(batch))):  # long utterances bring more pieces than the plan knows
            part = pieces[start : start + max(1, len(batch))]
            for (name, _), array in zip(part, backend.log_probs([piece for _, piece in part]), strict=True):
                found[name] = np.concatenate([found[name], array]) if name in found else array
        if progress is not None:
            progress(done, len(utterances))
    return dict(sorted(found.items())), bad, backend


def _pieces(utterance: Utterance) -> list[NDArray[np.float32]]:
    samples = read_audio(utterance.audio_filepath, utterance.offset, utterance.duration or None)
    return [segment.samples for segment in cut_at_pauses([samples])]


def decode_all(
    decoder: Decoder, log_probs: LogProbs, threads: int = 1, progress: Progress | None = None
) -> tuple[dict[str, Hypothesis], float]:
    """Best hypotheses by id, sorted, and the seconds of wall clock the search took.

    The result does not depend on `threads`.
    """
    found, seconds = decode_lists(decoder, log_probs, threads, progress)
    return {name: hypotheses[0] for name, hypotheses in found.items()}, seconds


def decode_lists(
    decoder: Decoder, log_probs: LogProbs, threads: int = 1, progress: Progress | None = None, nbest: int = 1
) -> tuple[dict[str, list[Hypothesis]], float]:
    """The `nbest` best hypotheses of each utterance, as `decode_all` finds the best."""
    found: dict[str, list[Hypothesis]] = {}
    waiting = deque(log_probs)

    def work(report: Progress | None = None) -> None:
        while waiting:
            try:
                name = waiting.popleft()  # atomic: threads need no lock
            except IndexError:
                return
            found[name] = decoder.decode(log_probs[name], nbest, name)
            if report is not None:
                report(len(found), len(log_probs))

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
    return {name: found[name] for name in log_probs}, seconds
