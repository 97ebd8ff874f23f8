"""`asr decode`: a manifest through a model, or stored log-probabilities of any CTC system, to texts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from asr.cli.console import Progress, list_bad, note, warn
from asr.cli.shared_options import (
    check_output,
    check_suffix,
    device_option,
    json_option,
    quiet_option,
    search_threads_option,
)
from asr.cli.speech.search_options import MODEL_HELP, backend_option, open_emitter, search_options
from asr.data.manifest import BadItem
from asr.decode.build import SearchOptions, open_decoder
from asr.decode.hypothesis import Hypothesis
from asr.decode.timed import timed_words
from asr.errors import ConfigError
from asr.recognizer.bulk import LogProbs, compute_log_probs, decode_all, read_log_probs, write_log_probs
from asr.score.text_files import format_texts
from asr.text.lines import line_writer
from asr.unpacking import unpacked_name
from asr.utterance_id import check_ids

FRAME_SECONDS = 0.04  # where nothing says how long a frame is


@dataclass(frozen=True)
class Emissions:
    """Log-probabilities with what is known about them."""

    arrays: LogProbs
    seconds_per_frame: float | None
    bad: list[BadItem]


@click.command()
@click.option("--model", help=f"{MODEL_HELP} It computes the log-probs.")
@click.option("--manifest", type=click.Path(path_type=Path), help="Utterances to decode with --model.")
@click.option("--save-log-probs", type=click.Path(path_type=Path), help="Also store the log-probs as .npz (float16).")
@click.option("--log-probs", "stored", type=click.Path(path_type=Path), help=".npz of (frames, tokens) arrays by id.")
@click.option("--tokens", "tokens_path", type=click.Path(path_type=Path), help="tokens.txt of --log-probs.")
@search_options
@search_threads_option
@click.option("--limit", default=0, type=click.IntRange(min=0), help="Only the first N utterances by id.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Write texts: 'ID text' lines, or .trn by the name; packed as .gz, .bz2 or .xz.",
)
@json_option("Print a line for each utterance and one of timing, as JSON.")
@click.option(
    "--frame-seconds",
    type=click.FloatRange(min=0, min_open=True),
    help=f"Seconds between frames, for word times.  [default: as stored, or the model's, else {FRAME_SECONDS:g}]",
)
@device_option
@backend_option
@quiet_option
def command(
    model: str | None, manifest: Path | None, save_log_probs: Path | None, stored: Path | None,
    tokens_path: Path | None, search: SearchOptions, threads: int, limit: int, output: Path | None, as_json: bool,
    frame_seconds: float | None, device: str, backend: str,
) -> int:  # fmt: skip
    """Decode a manifest with a model, or stored log-probabilities of any CTC system.

    \b
    Examples:
      asr decode --model english --manifest dev.jsonl --output dev.trn
      asr decode --log-probs F.npz --tokens tokens.txt --lexicon lexicon.txt --lm lm.arpa.gz --beam-size 50
    """
    if (stored is None) == (model is None):
        raise ConfigError("give either --model with --manifest, or --log-probs with --tokens.")
    unused = (
        {"--manifest": manifest, "--save-log-probs": save_log_probs} if model is None else {"--tokens": tokens_path}
    )
    if names := [name for name, value in unused.items() if value is not None]:
        raise ConfigError(
            f"{names[0]} has no effect with {'--log-probs' if model is None else '--model'}: leave it out."
        )
    check_output(output, manifest, stored, tokens_path, search.lexicon, search.lm)
    check_output(save_log_probs, manifest)
    check_suffix(output and unpacked_name(output), "texts by id", ".trn", ".txt")
    if model is not None and manifest is None:
        raise ConfigError("--model needs --manifest, the utterances to decode.")
    # Before the network runs, perhaps for hours: files that cannot be used are named now.
    decoder = open_decoder(open_emitter(model, tokens_path), search, note=note)
    if stored is not None:
        log_probs = read_log_probs(stored, limit)
        emissions = Emissions(log_probs.arrays, log_probs.seconds_per_frame, [])
        frame_seconds = frame_seconds or emissions.seconds_per_frame
        if frame_seconds is None and as_json:
            warn(f"{stored} does not say how long a frame is: {FRAME_SECONDS:g} s is assumed for word times; "
                 "give --frame-seconds")  # fmt: skip
    else:
        assert manifest is not None
        emissions = _computed(model, manifest, limit, device, backend, threads)
        if save_log_probs is not None:
            write_log_probs(save_log_probs, emissions.arrays, emissions.seconds_per_frame)
    if output is not None or not as_json:
        check_ids(emissions.arrays)  # before the search, and not when its texts are to be written
    progress = Progress("searching")
    best, seconds = decode_all(decoder, emissions.arrays, threads or 1, progress)
    progress.close()
    if as_json:
        frame = frame_seconds or emissions.seconds_per_frame or FRAME_SECONDS
        _print_json(best, emissions.arrays, seconds, frame)
    texts = {name: hypothesis.text for name, hypothesis in best.items()}
    if output is not None:
        with line_writer(output) as write:
            for line in format_texts(texts, unpacked_name(output).suffix == ".trn").split("\n")[:-1]:
                write(line)
    elif not as_json:
        click.echo(format_texts(texts, False), nl=False)
    list_bad(emissions.bad)
    return 1 if emissions.bad else 0


def _computed(model: str | None, manifest: Path, limit: int, device: str, backend: str, threads: int) -> Emissions:
    progress = Progress("acoustic model")
    computed = compute_log_probs(
        model, manifest, device=device, backend=backend, threads=threads, limit=limit, progress=progress
    )
    progress.close()
    return Emissions(computed.arrays, computed.backend.seconds_per_frame, computed.bad)


def _print_json(best: dict[str, Hypothesis], log_probs: LogProbs, seconds: float, frame: float) -> None:
    for name, hypothesis in best.items():
        words = [
            {
                "word": word.word,
                "start": round(word.start, 3),
                "end": round(word.end, 3),
                "confidence": word.confidence,
            }
            for word in timed_words(hypothesis, frame)
        ]
        score = round(hypothesis.score, 4) if np.isfinite(hypothesis.score) else None
        click.echo(
            json.dumps({"id": name, "text": hypothesis.text, "score": score, "words": words}, ensure_ascii=False)
        )
    frames = sum(len(array) for array in log_probs.values())
    click.echo(json.dumps({"decode_seconds": round(seconds, 6), "audio_frames": frames, "utterances": len(best)}))
