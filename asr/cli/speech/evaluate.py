"""`asr evaluate`: a model's error rates on official sets, from the archive to the table in one command."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import click

from asr.atomic_file import write_atomically
from asr.cli.console import Progress, list_bad, note
from asr.cli.shared_options import device_option, json_option, quiet_option, search_threads_option
from asr.cli.speech.search_options import MODEL_HELP, backend_option, language_options
from asr.data.download import ARCHIVES, download_corpus
from asr.data.importers import import_corpus
from asr.data.manifest import write_manifest
from asr.decode.build import SearchOptions, open_decoder
from asr.decode.decoder import Decoder
from asr.errors import ConfigError, ManifestError
from asr.model_package import ModelPackage
from asr.recognizer.bulk import compute_log_probs, decode_all
from asr.score.report import SystemScore, score_system
from asr.score.statistics import Interval
from asr.score.text_files import Texts, format_texts, read_texts
from asr.shipped import model_folder
from asr.text.normalize import normalize_english

SETS = sorted(name for name, archive in ARCHIVES.items() if archive.folder.startswith("LibriSpeech/"))


@dataclass(frozen=True)
class SetResult:
    """The score of a model on one set. bad: how many of its utterances could not be read and are not scored."""

    name: str
    score: SystemScore
    seconds: float  # of audio
    wall: float
    bad: int
    hypotheses: Path

    @property
    def interval(self) -> Interval | None:
        """The 95% interval of the word error rate: over speakers where the set names several, else over utterances."""
        return self.score.over_speakers or self.score.over_utterances


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder that holds LibriSpeech/SET.")
@click.option(
    "--sets", default="test-clean,test-other", show_default=True, help=f"Sets, joined by commas: {', '.join(SETS)}."
)
@click.option("--model", default="english", show_default=True, help=MODEL_HELP)
@click.option(
    "--output", type=click.Path(path_type=Path), help="Keep manifests and hypotheses in this folder.  [default: DATA]"
)
@click.option("--download/--no-download", default=True, show_default=True, help="Fetch the sets that DATA lacks.")
@search_threads_option
@click.option("--limit", default=0, type=click.IntRange(min=0), help="Only the first N utterances of each set by id.")
@json_option("Print a line for each set, as JSON; rates are fractions.")
@language_options
@device_option
@backend_option
@quiet_option
def command(
    data: Path, sets: str, model: str, output: Path | None, download: bool, threads: int, limit: int, as_json: bool,
    search: SearchOptions, device: str, backend: str,
) -> int:  # fmt: skip
    """Word error rates of a model on official LibriSpeech sets, with 95% intervals.

    Sets that are not below DATA/LibriSpeech are downloaded from openslr.org, verified and unpacked there. The manifest
    and the hypotheses of each set are kept, as SET.jsonl and MODEL.SET.trn (or MODEL.SET.2.trn, …, where there are
    others): `asr score` compares them with those of another model or search.

    \b
    Examples:
      asr evaluate --data corpora --sets test-clean,test-other
      asr evaluate --data corpora --sets dev-clean --model exp/packed --neural-lm none --json
    """
    names = [name.strip() for name in sets.split(",") if name.strip()]
    if not names:
        raise ConfigError("`sets` names no set; give names such as test-clean,test-other.")
    # All parts and sets, before any hour is spent.
    decoder = open_decoder(ModelPackage.open(model_folder(model)), search, note=note)
    folders = {name: _folder(data, name, download) for name in names}
    results = []
    for name, folder in folders.items():
        result = _evaluate(name, folder, output or data, model, decoder, (device, backend, threads, limit))
        results.append(result)
        if as_json:
            click.echo(json.dumps(_as_json(result)))
    if not as_json:
        click.echo(_table(results))
    return 1 if any(result.bad for result in results) else 0


def _folder(data: Path, name: str, download: bool) -> Path:
    """The folder of a set, downloaded if it is not there. Raises ConfigError if it is not there and cannot be had."""
    folder = data / "LibriSpeech" / name
    if folder.is_dir():
        return folder
    if name not in SETS:
        raise ConfigError(f"{folder} does not exist, and '{name}' cannot be downloaded: only {', '.join(SETS)} can.")
    if not download:
        raise ConfigError(f"{folder} does not exist; leave out --no-download to fetch it.")
    note(f"{name} is not in {data}: downloading {ARCHIVES[name].url}")
    progress = Progress(name)
    download_corpus(ARCHIVES[name], data, progress)
    progress.close()
    return folder


def _evaluate(
    name: str, folder: Path, output: Path, model: str, decoder: Decoder, run: tuple[str, str, int, int]
) -> SetResult:
    """Decode one set and score it. run: device, backend, threads, and how many utterances at most."""
    device, backend, threads, limit = run
    imported = import_corpus(folder)
    chosen = sorted(imported.utterances, key=lambda utterance: utterance.id)[: limit or None]
    if not chosen:
        raise ManifestError(f"{folder} holds no utterances; is it an unpacked set of LibriSpeech?")
    manifest = output / f"{name}.jsonl"
    write_manifest(manifest, [replace(item, text=normalize_english(item.text or "")) for item in chosen])
    progress = Progress(f"{name}: acoustic model")
    started = time.monotonic()
    computed = compute_log_probs(model, manifest, device=device, backend=backend, threads=threads, progress=progress)
    progress.close()
    progress = Progress(f"{name}: searching")
    best, _ = decode_all(decoder, computed.arrays, threads or 1, progress)
    progress.close()
    wall = time.monotonic() - started
    text = format_texts({key: found.text for key, found in best.items()}, trn=True).encode()
    hypotheses = _name_for(output, f"{Path(model).name}.{name}", text)
    write_atomically(hypotheses, text)
    note(f"{name}: hypotheses in {hypotheses}")
    bad = [*imported.bad, *computed.bad]
    list_bad(bad, "of the set not scored")
    wanted = read_texts(manifest)
    readable = Texts(
        {key: text for key, text in wanted.texts.items() if key in best},
        {key: speaker for key, speaker in wanted.speakers.items() if key in best},
        wanted.unknown,
    )
    score = score_system(readable, read_texts(hypotheses))
    return SetResult(name, score, sum(utterance.duration for utterance in chosen), wall, len(bad), hypotheses)


def _name_for(folder: Path, stem: str, content: bytes) -> Path:
    """A .trn file for hypotheses: those of another search, or of another model of the same name, stay as they are."""
    names = (f"{stem}.trn" if number == 1 else f"{stem}.{number}.trn" for number in count(1))
    return next(path for path in map(folder.joinpath, names) if not path.exists() or path.read_bytes() == content)


def _table(results: list[SetResult]) -> str:
    """The results as aligned lines, a set each."""
    lines = [
        f"{'set':<16} {'utterances':>10} {'words':>7} {'WER':>7}  {'95% interval':<15} {'CER':>6} {'real time':>9}"
    ]
    for result in results:
        score, interval = result.score, result.interval
        span = f"{interval.low:.2%} to {interval.high:.2%}" if interval is not None else "–"
        factor = result.wall / result.seconds if result.seconds else 0.0
        lines.append(
            f"{result.name:<16} {len(score.ids):>10} {score.words.reference_length:>7} {score.words.rate:>7.2%}  "
            f"{span:<15} {score.characters.rate:>6.2%} {factor:>9.3f}"
        )
    return "\n".join(lines)


def _as_json(result: SetResult) -> dict[str, object]:
    words, interval = result.score.words, result.interval
    return {
        "set": result.name,
        "utterances": len(result.score.ids),
        "words": words.reference_length,
        "wer": words.rate,
        "interval": [interval.low, interval.high] if interval is not None else None,
        "cer": result.score.characters.rate,
        "substitutions": words.substitutions,
        "deletions": words.deletions,
        "insertions": words.insertions,
        "unreadable": result.bad,
        "audio_seconds": round(result.seconds, 3),
        "wall_seconds": round(result.wall, 3),
        "hypotheses": str(result.hypotheses),
    }
