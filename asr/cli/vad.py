"""`asr vad`: where in a recording somebody speaks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr.cli.console import Progress, TrainingProgress, note, report, warn
from asr.cli.shared_options import json_option, quiet_option, training_options
from asr.errors import AsrError, explain
from asr.shipped import DETECTOR_NAME, detector_folder

if TYPE_CHECKING:
    from asr.data.manifest import Utterance
    from asr.recognizer.aligner import Aligner
    from asr.train.log import EpochLog

MODEL_HELP = f"Folder from `asr vad train`, or '{DETECTOR_NAME}' for the shipped one (./{DETECTOR_NAME} is a folder)."


@click.group()
def command() -> None:
    """Voice activity: find speech in recordings, train a detector.

    \b
    Example: asr vad apply talk.wav
    """


@command.command("apply", short_help="Find speech in recordings.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--model", default=DETECTOR_NAME, show_default=True, help=MODEL_HELP)
@json_option("Print a JSON object a line for each file.")
@quiet_option
@click.pass_context
def apply(ctx: click.Context, files: tuple[Path, ...], model: str, as_json: bool) -> None:
    """Print the start and end in seconds of each stretch of speech in FILE, separated by tabs, after the file's name.

    \b
    Example: asr vad apply talk.wav
    """
    from asr.activity.detector import SpeechDetector, speech_stretches
    from asr.audio.source import open_audio

    detector = SpeechDetector.open(detector_folder(model))
    failed = False
    for path in files:
        try:
            with open_audio(path, sample_rate=detector.config.features.sample_rate) as audio:
                stretches = speech_stretches(detector, audio.blocks)
        except Exception as error:  # whatever it is: the other files are done
            warn(f"asr: {explain(error)}")
            failed = True
            continue
        if as_json:
            click.echo(json.dumps({"file": str(path), "speech": stretches}))
            continue
        for start, end in stretches:
            click.echo(f"{path}\t{start:.2f}\t{end:.2f}")
    ctx.exit(1 if failed else 0)


def _config_class() -> type:
    from asr.activity.run import ActivityRunConfig

    return ActivityRunConfig


@command.command("train", short_help="Train a detector of speech.")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MANIFEST...")
@click.option("--dev", required=True, type=click.Path(path_type=Path), help="Manifest to validate on.")
@click.option("--model", default=None, help="Acoustic model that aligns the texts.  [default: the shipped one]")
@training_options(_config_class)
def train(
    manifests: tuple[Path, ...], dev: Path, model: str | None, config_path: Path | None, output: Path, resume: bool,
    overrides: list[str], as_json: bool,
) -> None:  # fmt: skip
    """Train a detector of speech with a one-directional LSTM.

    The utterances of MANIFEST are aligned with their texts, which says when words are spoken; a manifest that says it
    already, in a key `spoken` of [start, end] in seconds, is taken as it is.

    \b
    Keys for --set, among others:
      model.hidden_size       units of the LSTM
      examples.per_epoch      examples of 16 s an epoch
      augment.noise_folder    of recorded noise: a folder of audio files for each kind
      augment.recorded_probability  share of examples with noise from there
      augment.noise_kinds     which of these to train with
      dev_kinds               which of these to validate with

    \b
    Example: asr vad train train.jsonl --dev dev.jsonl --output vad
    """
    from asr.activity.run import ActivityRunConfig, train_detector
    from asr.config import configured

    config = configured(ActivityRunConfig, config_path, overrides)
    folder = output / "training"  # also keeps the manifests with what was aligned
    train_set = _with_spoken(manifests, model, folder / "train.jsonl")
    dev_set = _with_spoken([dev], model, folder / "dev.jsonl")
    note(f"{len(train_set)} utterances to train on, {len(dev_set)} to validate on")
    progress = TrainingProgress(_epoch_line)
    final = train_detector(config, train_set, dev_set, output, resume, progress)
    progress.close()
    figures = final.figures
    shown = f"{figures['missed']:.2%} of speech missed, {figures['false']:.2%} of the rest taken for speech"
    report(f"{output}: {shown}", as_json, output=output, weights=final.weights, **figures)


def _epoch_line(entry: EpochLog) -> str:
    return f"loss {entry.loss:.4f}, dev loss {entry.figures['nats']:.4f}, {entry.speed}" if entry.figures else ""


def _with_spoken(paths: Iterable[Path], model: str | None, store: Path) -> list[Utterance]:
    """The utterances of manifests with `spoken`; those that cannot be aligned are left out, and counted.

    What was aligned before is read from the manifest `store`, which is written.
    """
    from asr.activity.task import SPOKEN
    from asr.data.manifest import read_manifest, write_manifest
    from asr.recognizer.aligner import Aligner

    utterances = [each for path in paths for each in read_manifest(path).utterances]
    before = read_manifest(store).utterances if store.exists() else []
    known = {each.id: each.extra[SPOKEN] for each in [*before, *utterances] if SPOKEN in each.extra}
    missing = [each for each in utterances if each.text and each.id not in known]
    if missing:
        known |= _aligned(missing, Aligner.load(model, threads=1))
    spoken = [replace(each, extra={**each.extra, SPOKEN: known[each.id]}) for each in utterances if known.get(each.id)]
    write_manifest(store, spoken)
    return spoken


def _aligned(utterances: Iterable[Utterance], aligner: Aligner) -> dict[str, list[list[float]]]:
    from asr.audio.read import read_audio

    found: dict[str, list[list[float]]] = {}
    failed = 0
    bar, todo = Progress("aligning"), list(utterances)
    for done, utterance in enumerate(todo):
        bar(done, len(todo))
        rate = aligner.backend.sample_rate
        try:
            samples = read_audio(utterance.audio_filepath, utterance.offset, utterance.duration or None, rate)
            transcript = aligner.align(samples, utterance.text or "", rate=rate)
            found[utterance.id] = [[round(word.start, 3), round(word.end, 3)] for word in transcript.words]
        except AsrError:
            failed += 1
    bar.close()
    if failed:
        note(f"{failed} utterances are left out: they cannot be read, or their texts cannot be aligned")
    return found
