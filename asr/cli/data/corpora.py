"""`asr data`: download, import, check, describe, split, relabel, augment and join corpora."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from asr.cli.console import Progress, list_bad, note, report, warn
from asr.cli.data.derived import augment, join, sounds
from asr.cli.shared_options import check_output, json_option, quiet_option
from asr.data.describe import describe
from asr.data.download import ARCHIVES, download_corpus
from asr.data.importers import import_corpus, keep_where
from asr.data.manifest import Utterance, read_manifest, write_manifest
from asr.data.relabel import read_recognised
from asr.data.relabel import relabel as relabel_utterances
from asr.data.split import split_utterances
from asr.errors import ConfigError, ManifestError
from asr.text.normalize import lost_letters, normalize_english
from asr.utterance_id import check_ids


@click.group()
def command() -> None:
    """Download, import, check, describe and split corpora.

    \b
    Example: asr data import LibriSpeech/train-clean-5 --output train.jsonl
    """


for derived in (augment, join, sounds):
    command.add_command(derived)


@command.command("import", short_help="Make a manifest from corpora.")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Manifest to write (JSON lines).")
@click.option(
    "--kind",
    default="auto",
    show_default=True,
    help="Format of the sources: auto, librispeech, manifest, nemo, csv, kaldi, an4, fsdd or sounds.",
)
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="KEY=VALUE",
    help="Import only items with this value of a key, such as split=test; may be repeated.",
)
@click.option(
    "--normalize/--no-normalize", default=True, show_default=True,
    help="Change texts to plain lower-case words; otherwise letters are only joined with their accents (NFC).",
)  # fmt: skip
@click.option("--prefix", default="", help="Text to put before every id, to keep the ids of corpora apart.")
@json_option()
@quiet_option
def import_command(
    sources: tuple[Path, ...], output: Path, kind: str, conditions: tuple[str, ...], normalize: bool, prefix: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Make one manifest from SOURCES: folders of LibriSpeech, Kaldi, AN4 or FSDD, manifests, CSV or TSV files.

    A CSV or TSV file needs a header line; commas, semicolons or tabs divide its columns. The audio column is
    audio_filepath, path, file, filename, audio, wav or wav_filename; the others are text, sentence, transcript or
    transcription; speaker, client_id or speaker_id; id or utterance_id. Rows are passages of files where a column
    offset, start, start_time or begin, and one of end, end_time or stop, or duration or length, hold seconds. Items
    that cannot be used are listed with the reason.

    \b
    Examples:
      asr data import LibriSpeech/train-clean-5 --output train.jsonl
      asr data import an4 --where split=test --output test.jsonl
      asr data import validated.tsv --output voices.jsonl
    """
    check_output(output, *sources)
    wanted = dict(_condition(text) for text in conditions)
    utterances, bad = [], []
    foreign: list[str] = []  # texts that lose letters
    for source in sources:
        progress = Progress(f"reading {source.name}")
        manifest = import_corpus(source, kind, progress)
        progress.close()
        bad += manifest.bad
        for utterance in (keep_where(manifest, wanted) if wanted else manifest).utterances:
            text = utterance.text
            if normalize and text is not None:
                foreign += [text] if lost_letters(text) else []
                text = normalize_english(text)
            elif text is not None:
                text = unicodedata.normalize("NFC", text)  # one letter is one token, however programs write accents
            utterances.append(replace(utterance, id=prefix + utterance.id, text=text))
    check_ids(utterance.id for utterance in utterances)  # with the prefix
    repeated = [name for name, number in Counter(utterance.id for utterance in utterances).items() if number > 1]
    if repeated:
        raise ManifestError(f"two corpora have the id '{repeated[0]}'; import one of them with a `prefix`.")
    write_manifest(output, utterances)
    list_bad(bad)
    if foreign:
        warn(
            f"warning: {len(foreign)} texts lose letters that English does not have, the first is "
            f"'{foreign[0][:40]}'; give --no-normalize for other languages"
        )
    without = sum(utterance.text is None for utterance in utterances)
    if 0 < without < len(utterances):  # a corpus may be without texts, to be recognised
        warn(f"note: {without} of {len(utterances)} utterances have no text")
    _report_size(output, utterances, as_json)


def _condition(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise ConfigError(f"'--where {text}' must have the form KEY=VALUE.")
    return key, value


def _report_size(path: Path, utterances: Sequence[Utterance], as_json: bool) -> None:
    hours = sum(utterance.duration for utterance in utterances) / 3600
    text = f"{path}: {len(utterances)} utterances, {hours:.2f} h"
    report(text, as_json, output=path, utterances=len(utterances), hours=round(hours, 4))


@command.command("download", short_help="Download, verify and unpack official archives.")
@click.argument("names", nargs=-1, required=True, type=click.Choice(sorted(ARCHIVES)))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to unpack into.")
@json_option()
@quiet_option
def download(names: tuple[str, ...], output: Path, as_json: bool) -> None:
    """Download official corpus archives, verify their checksums and unpack them.

    An interrupted download is continued where it stopped.

    \b
    Example: asr data download train-clean-5 dev-clean-2 --output corpora
    """
    for name in names:
        note(f"{name}: {ARCHIVES[name].url}")
        progress = Progress(name)
        folder = download_corpus(ARCHIVES[name], output, progress)
        progress.close()
        report(f"{name}: {folder}", as_json, name=name, folder=folder)


@command.command("check", short_help="Check the audio files of a manifest.")
@click.argument("manifest", type=click.Path(path_type=Path))
@json_option()
@quiet_option
def check(manifest: Path, as_json: bool) -> int:
    """Read the header of every audio file in MANIFEST and list the items that cannot be used.

    The exit code is 1 if there are any.

    \b
    Example: asr data check train.jsonl
    """
    progress = Progress("checking")
    result = read_manifest(manifest, check_audio=True, progress=progress)
    progress.close()
    list_bad(result.bad, "cannot be used")
    good, bad = len(result.utterances), [{"item": item.where, "reason": item.reason} for item in result.bad]
    report(f"{manifest}: {good} good, {len(bad)} bad", as_json, manifest=manifest, good=good, bad=bad)
    return 1 if result.bad else 0


@command.command("stats", short_help="Print hours, speakers, lengths and words.")
@click.argument("manifest", type=click.Path(path_type=Path))
@json_option()
@quiet_option
def stats(manifest: Path, as_json: bool) -> None:
    """Print the hours, speakers, utterance lengths and words of MANIFEST.

    \b
    Example: asr data stats train.jsonl
    """
    result = read_manifest(manifest)
    figures = describe(result)
    if as_json:
        click.echo(json.dumps(figures))
        return
    for name, value in figures.items():
        click.echo(f"{name:<22} {value}")
    list_bad(result.bad)


@command.command("split", short_help="Divide a manifest in two.")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "--dev", "share", default=0.1, show_default=True, help="Share of the audio that goes to the second manifest."
)
@click.option(
    "--by",
    type=click.Choice(["speaker", "utterance"]),
    default="speaker",
    show_default=True,
    help="Keep all utterances of a speaker together, or divide by single utterances.",
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of the random choice.")
@click.option("--output", nargs=2, required=True, type=click.Path(path_type=Path), help="The two manifests to write.")
@json_option()
@quiet_option
def split(manifest: Path, share: float, by: str, seed: int, output: tuple[Path, Path], as_json: bool) -> None:
    """Divide MANIFEST in two at random, each speaker in one part only unless --by utterance is given.

    \b
    Example: asr data split all.jsonl --dev 0.1 --output train.jsonl dev.jsonl
    """
    if output[0].resolve() == output[1].resolve():
        raise click.UsageError(f"--output needs two different names, not {output[0]} twice.")
    for path in output:
        check_output(path, manifest)
    result = read_manifest(manifest)
    parts = split_utterances(result.utterances, share, by, seed)
    for path, part in zip(output, parts, strict=True):
        write_manifest(path, part)
        _report_size(path, part, as_json)
    list_bad(result.bad)


@command.command("relabel", short_help="Replace texts by recognised ones, for self-training.")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("texts", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Manifest to write.")
@click.option(
    "--least-confidence",
    type=click.FloatRange(0, 1),
    help="Leave out utterances whose words have a lower mean confidence; needs the output of `asr decode --json`.",
)
@json_option()
@quiet_option
def relabel(manifest: Path, texts: Path, output: Path, least_confidence: float | None, as_json: bool) -> None:
    """Write the utterances of MANIFEST with the recognised texts in TEXTS, for self-training.

    TEXTS is the output of `asr decode`: the file of --output, or, with confidences, the lines of --json. Utterances
    without a recognised word are left out.

    \b
    Example: asr decode --model exp/5h --manifest more.jsonl --json > recognised.jsonl
             asr data relabel more.jsonl recognised.jsonl --least-confidence 0.8 --output pseudo.jsonl
    """
    check_output(output, manifest, texts)
    result = read_manifest(manifest)
    relabelled = relabel_utterances(result, read_recognised(texts), least_confidence)
    write_manifest(output, relabelled)
    note(f"{len(relabelled)} of {len(result.utterances)} utterances")
    _report_size(output, relabelled, as_json)
    list_bad(result.bad)
