"""`asr data`: import, check, describe and split corpora."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from asr.cli.console import Progress, list_bad, note
from asr.data.download import ARCHIVES, download_corpus
from asr.data.importers import import_corpus, keep_where
from asr.data.manifest import Manifest, read_manifest, write_manifest
from asr.errors import ConfigError, ManifestError
from asr.score.text_files import read_texts
from asr.text.normalize import normalize_english


@click.group()
def command() -> None:
    """Import, check, describe and split corpora.

    \b
    Example: asr data import LibriSpeech/train-clean-5 --output train.jsonl
    """


@command.command("import")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Manifest to write (JSON lines).")
@click.option(
    "--kind", default="auto", show_default=True, help="auto, librispeech, manifest, nemo, csv, kaldi, an4 or fsdd."
)
@click.option("--where", "conditions", multiple=True, help="Keep only items with KEY=VALUE, such as split=test.")
@click.option(
    "--normalize/--no-normalize", default=True, show_default=True, help="Bring texts to plain lower-case words."
)
@click.option("--prefix", default="", help="Put before every id, to keep corpora apart.")
def import_command(
    sources: tuple[Path, ...], output: Path, kind: str, conditions: tuple[str, ...], normalize: bool, prefix: str
) -> None:
    """Make one manifest of corpora: LibriSpeech or Kaldi folders, manifest.jsonl corpora, NeMo, CSV/TSV."""
    wanted = dict(_condition(text) for text in conditions)
    utterances, bad = [], []
    for source in sources:
        progress = Progress(f"reading {source.name}")
        manifest = import_corpus(source, kind, progress)
        progress.close()
        bad += manifest.bad
        for utterance in (keep_where(manifest, wanted) if wanted else manifest).utterances:
            text = normalize_english(utterance.text) if normalize and utterance.text is not None else utterance.text
            utterances.append(replace(utterance, id=prefix + utterance.id, text=text))
    seen = Counter(utterance.id for utterance in utterances)
    twice = [name for name, number in seen.items() if number > 1]
    if twice:
        raise ManifestError(f"the id '{twice[0]}' comes from two corpora; import one of them with --prefix.")
    write_manifest(output, utterances)
    list_bad(bad)
    note(f"{output}: {len(utterances)} utterances, {sum(u.duration for u in utterances) / 3600:.2f} h")


def _condition(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise ConfigError(f"'--where {text}' must have the form KEY=VALUE.")
    return key, value


@command.command("download")
@click.argument("names", nargs=-1, required=True, type=click.Choice(sorted(ARCHIVES)))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to unpack below.")
def download(names: tuple[str, ...], output: Path) -> None:
    """Download official archives, go on where an earlier call stopped, check their sums, unpack them."""
    for name in names:
        note(f"{name}: {ARCHIVES[name].url}")
        progress = Progress(name)
        folder = download_corpus(ARCHIVES[name], output, progress)
        progress.close()
        note(f"{name}: {folder}")


@command.command("check")
@click.argument("manifest", type=click.Path(path_type=Path))
def check(manifest: Path) -> int:
    """Open the header of every file of a manifest; name what cannot be used (exit code 1 if anything)."""
    progress = Progress("checking")
    result = read_manifest(manifest, check_audio=True, progress=progress)
    progress.close()
    list_bad(result.bad, "cannot be used")
    note(f"{manifest}: {len(result.utterances)} good, {len(result.bad)} bad")
    return 1 if result.bad else 0


@command.command("stats")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats(manifest: Path, as_json: bool) -> None:
    """Hours, speakers, lengths and words of a manifest."""
    result = read_manifest(manifest)
    figures = describe(result)
    if as_json:
        click.echo(json.dumps(figures))
        return
    for name, value in figures.items():
        click.echo(f"{name:<22} {value}")
    list_bad(result.bad)


def describe(manifest: Manifest) -> dict[str, float | int]:
    """Counts and lengths of a manifest's utterances; durations in seconds."""
    durations = np.array([utterance.duration for utterance in manifest.utterances])
    words = [word for utterance in manifest.utterances for word in (utterance.text or "").split()]
    speakers = {utterance.speaker for utterance in manifest.utterances if utterance.speaker}
    return {
        "utterances": len(durations),
        "bad_lines": len(manifest.bad),
        "hours": round(float(durations.sum()) / 3600, 3),
        "speakers": len(speakers),
        "shortest_seconds": round(float(durations.min()), 2),
        "median_seconds": round(float(np.median(durations)), 2),
        "longest_seconds": round(float(durations.max()), 2),
        "words": len(words),
        "distinct_words": len(set(words)),
        "without_text": sum(utterance.text is None for utterance in manifest.utterances),
    }


@command.command("split")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--dev", "share", default=0.1, show_default=True, help="Share of the audio for the second part.")
@click.option("--by", type=click.Choice(["speaker", "utterance"]), default="speaker", show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--output", nargs=2, required=True, type=click.Path(path_type=Path), help="The two manifests to write.")
def split(manifest: Path, share: float, by: str, seed: int, output: tuple[Path, Path]) -> None:
    """Divide a manifest in two, whole speakers to one side unless `--by utterance`."""
    if not 0 < share < 1:
        raise ConfigError(f"--dev must lie between 0 and 1, not {share}.")
    result = read_manifest(manifest)
    groups: dict[str, list[int]] = {}
    for index, utterance in enumerate(result.utterances):
        if by == "speaker" and not utterance.speaker:
            raise ManifestError(f"{utterance.id} has no speaker; split with --by utterance.")
        groups.setdefault(str(utterance.speaker) if by == "speaker" else utterance.id, []).append(index)
    if len(groups) < 2:
        raise ManifestError(f"{manifest} has one {by} only and cannot be split by {by}.")
    chosen: set[int] = set()
    held = 0.0
    for name in np.random.default_rng(seed).permutation(sorted(groups)):
        if chosen and held >= share * result.seconds:
            break
        chosen.update(groups[name])
        held += sum(result.utterances[index].duration for index in groups[name])
    parts = ([], [])  # type: tuple[list, list]
    for index, utterance in enumerate(result.utterances):
        parts[index in chosen].append(utterance)
    for path, part in zip(output, parts, strict=True):
        write_manifest(path, part)
        note(f"{path}: {len(part)} utterances, {sum(u.duration for u in part) / 3600:.2f} h")
    list_bad(result.bad)


@command.command("relabel")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("texts", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Manifest to write.")
@click.option(
    "--least-confidence", type=click.FloatRange(0, 1), help="Mean over an utterance's words; needs `asr decode --json`."
)
def relabel(manifest: Path, texts: Path, output: Path, least_confidence: float | None) -> None:
    """The utterances of MANIFEST with the words of TEXTS in place of their own, as self-training needs them.

    TEXTS is what `asr decode` wrote, with --output or, with confidences, with --json. What has no words there is left
    out.

    \b
    Example: asr decode --model exp/5h --manifest more.jsonl --json > heard.jsonl
             asr data relabel more.jsonl heard.jsonl --least-confidence 0.8 --output pseudo.jsonl
    """
    heard = read_heard(texts)
    result = read_manifest(manifest)
    if least_confidence is not None and not any(confidences for _, confidences in heard.values()):
        raise ConfigError(f"{texts} has no confidences; write it with `asr decode --json`.")
    kept = []
    for utterance in result.utterances:
        text, confidences = heard.get(utterance.id, ("", []))
        if text and (least_confidence is None or float(np.mean(confidences or 0.0)) >= least_confidence):
            kept.append(replace(utterance, text=text))
    if not kept:
        raise ManifestError(f"{texts} has words for none of the utterances of {manifest} that may be kept.")
    write_manifest(output, kept)
    hours = sum(utterance.duration for utterance in kept) / 3600
    note(f"{output}: {len(kept)} of {len(result.utterances)} utterances, {hours:.2f} h")
    list_bad(result.bad)


def read_heard(path: Path) -> dict[str, tuple[str, list[float]]]:
    """Text and confidences of words by id: the lines of `asr decode --json`, or any texts, without confidences."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        found = [line for line in lines if "words" in line]
        if found:
            return {str(line["id"]): (line["text"], [word["confidence"] for word in line["words"]]) for line in found}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # another form, or an error that the reader of texts can name
    return {name: (text, []) for name, text in read_texts(path).texts.items()}
