"""Corpora to utterances: LibriSpeech folders, manifest.jsonl corpora, NeMo, CSV/TSV, Kaldi data folders."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from asr.audio.read import AUDIO_EXTENSIONS
from asr.callbacks import Progress
from asr.data.manifest import BadItem, Manifest, Utterance, check_utterance, read_manifest
from asr.errors import AudioError, ManifestError

PATH_COLUMNS = ("audio_filepath", "path", "file", "filename", "audio", "wav", "wav_filename")
TEXT_COLUMNS = ("text", "sentence", "transcript", "transcription")
SPEAKER_COLUMNS = ("speaker", "client_id", "speaker_id")
ID_COLUMNS = ("id", "utterance_id")
KALDI_PIPE_TOOLS = ("flac", "sox", "cat", "sph2pipe", "ffmpeg")


@dataclass(frozen=True)
class Candidate:
    """An item of a corpus before its audio was looked at."""

    where: str
    utterance: Utterance


def detect_format(source: Path) -> str:
    """The kind of corpus at `source`. Raises ManifestError if it is none that is known."""
    if not source.exists():
        raise ManifestError(f"{source} does not exist; check the path.")
    if source.is_file():
        kinds = {".jsonl": "manifest", ".json": "manifest", ".csv": "csv", ".tsv": "csv"}
        if source.suffix.lower() in kinds:
            return kinds[source.suffix.lower()]
        raise ManifestError(f"{source} is no corpus file; known are .jsonl, .json (NeMo), .csv and .tsv.")
    if (source / "wav.scp").exists():
        return "kaldi"
    if (source / "manifest.jsonl").exists():
        return "manifest"
    if (source / "etc" / "an4_train.transcription").exists():
        return "an4"
    if (source / "recordings").is_dir():
        return "fsdd"
    if next(source.rglob("*.trans.txt"), None) is not None:
        return "librispeech"
    raise ManifestError(
        f"{source} is no corpus folder; looked for *.trans.txt (LibriSpeech), manifest.jsonl, wav.scp (Kaldi), "
        "etc/an4_train.transcription and recordings/ (FSDD)."
    )


def import_corpus(source: str | Path, kind: str = "auto", progress: Progress | None = None) -> Manifest:
    """Read a corpus; every item's audio header is checked, items that cannot be used are listed with the reason.

    kind: auto, librispeech, manifest (jsonl with or without a folder; NeMo's too), csv (tsv too), kaldi, an4, fsdd.
    Raises ManifestError if the corpus cannot be read or nothing in it can be used.
    """
    source = Path(source)
    kind = detect_format(source) if kind == "auto" else kind
    readers = {"librispeech": _librispeech, "csv": _csv, "kaldi": _kaldi, "an4": _an4, "fsdd": _fsdd}
    if kind in ("manifest", "nemo"):
        return read_manifest(
            source / "manifest.jsonl" if source.is_dir() else source, check_audio=True, progress=progress
        )
    if kind not in readers:
        raise ManifestError(f"unknown corpus format '{kind}'; known: auto, manifest, nemo, {', '.join(readers)}.")
    candidates = list(readers[kind](source))
    good: list[Utterance] = []
    bad: list[BadItem] = []
    seen: set[str] = set()
    for number, item in enumerate(candidates, 1):
        if isinstance(item, BadItem):
            bad.append(item)
            continue
        try:
            if item.utterance.id in seen:
                raise ManifestError(f"the id '{item.utterance.id}' stands here a second time")
            good.append(check_utterance(item.utterance))
            seen.add(item.utterance.id)
        except (AudioError, ManifestError) as error:
            bad.append(BadItem(item.where, str(error).rstrip(".")))
        if progress is not None:
            progress(number, len(candidates))
    if not good:
        first = f"; first: {bad[0]}" if bad else ""
        raise ManifestError(f"{source} holds no usable utterance ({len(bad)} bad{first}).")
    return Manifest(good, bad)


def _librispeech(source: Path) -> Iterator[Candidate | BadItem]:
    """`SPEAKER/CHAPTER/ID.<any audio extension>` beside `SPEAKER-CHAPTER.trans.txt` (`ID TEXT` lines)."""
    for transcript in sorted(source.rglob("*.trans.txt")):
        audio = {path.stem: path for path in transcript.parent.iterdir() if path.suffix.lower() in AUDIO_EXTENSIONS}
        for number, line in enumerate(transcript.read_text(encoding="utf-8").splitlines(), 1):
            name, _, text = line.strip().partition(" ")
            where = f"{transcript} line {number}"
            if not name:
                continue
            if name not in audio:
                yield BadItem(where, f"no audio file '{name}.*' lies beside it")
                continue
            yield Candidate(where, Utterance(name, str(audio.pop(name)), 0.0, text, name.split("-")[0]))
        for path in audio.values():
            yield BadItem(str(path), f"has no line in {transcript.name}")


def _an4(source: Path) -> Iterator[Candidate | BadItem]:
    """CMU's AN4 archive: etc/an4_{train,test}.transcription (`<s> TEXT </s> (ID)`) and .fileids; `split` is kept."""
    for split in ("train", "test"):
        listing = source / "etc" / f"an4_{split}.fileids"
        paths = {Path(line.strip()).name: line.strip() for line in listing.read_text().splitlines() if line.strip()}
        transcript = source / "etc" / f"an4_{split}.transcription"
        for number, line in enumerate(transcript.read_text().splitlines(), 1):
            text, _, name = line.strip().rstrip(")").rpartition("(")
            where = f"{transcript} line {number}"
            found = sorted((source / "wav").glob(f"{paths[name]}.*")) if name in paths else []
            if not found:
                yield BadItem(where, f"no audio file for '{name}'")
                continue
            words = " ".join(word for word in text.split() if not word.startswith("<"))
            speaker = Path(paths[name]).parent.name
            yield Candidate(where, Utterance(name, str(found[0]), 0.0, words, speaker, extra={"split": split}))


def _fsdd(source: Path) -> Iterator[Candidate | BadItem]:
    """The Free Spoken Digit Dataset: recordings/DIGIT_SPEAKER_TAKE.wav; takes 0-4 are its test part."""
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for path in sorted((source / "recordings").glob("*.wav")):
        fields = path.stem.split("_")
        if len(fields) != 3 or not fields[0].isdigit() or not fields[2].isdigit() or int(fields[0]) > 9:
            yield BadItem(str(path), "its name is not DIGIT_SPEAKER_TAKE.wav")
            continue
        split = "test" if int(fields[2]) < 5 else "train"
        text = digits[int(fields[0])]
        yield Candidate(str(path), Utterance(path.stem, str(path), 0.0, text, fields[1], extra={"split": split}))


def _csv(source: Path) -> Iterator[Candidate | BadItem]:
    """A table with a header line; columns are found by the names that Common Voice and DeepSpeech use."""
    delimiter = "\t" if source.suffix.lower() == ".tsv" else ","
    with source.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
        path_column, text_column, speaker_column, id_column = (
            next((names[known] for known in columns if known in names), None)
            for columns in (PATH_COLUMNS, TEXT_COLUMNS, SPEAKER_COLUMNS, ID_COLUMNS)
        )
        if path_column is None:
            raise ManifestError(f"{source} has no column of audio paths; name one of: {', '.join(PATH_COLUMNS)}.")
        for row in reader:
            where = f"{source} line {reader.line_num}"
            value = (row.get(path_column) or "").strip()
            if not value:
                yield BadItem(where, f"the column '{path_column}' is empty")
                continue
            audio = Path(value) if Path(value).is_absolute() else source.parent / value
            if not audio.exists() and (source.parent / "clips" / value).exists():
                audio = source.parent / "clips" / value  # Common Voice keeps its audio there
            name = (row.get(id_column) if id_column else None) or audio.stem
            text = row.get(text_column) if text_column else None
            yield Candidate(where, Utterance(name, str(audio), 0.0, text, row.get(speaker_column or "") or None))


def _kaldi(source: Path) -> Iterator[Candidate | BadItem]:
    """A Kaldi data folder: wav.scp, text, and where present segments and utt2spk. Commands (`flac -c … |`) are reduced
    to the file they read."""
    recordings: dict[str, Path | BadItem] = {}
    for where, name, value in _kaldi_table(source / "wav.scp"):
        recordings[name] = _kaldi_audio(source, where, value)
    texts = {name: value for _, name, value in _kaldi_table(source / "text")}
    speakers = {name: value for _, name, value in _kaldi_table(source / "utt2spk")}
    segments = [(where, name, value.split()) for where, name, value in _kaldi_table(source / "segments")]
    if not segments:
        segments = [(f"{source / 'wav.scp'}", name, [name]) for name in recordings]
    for where, name, fields in segments:
        recording = recordings.get(fields[0]) if fields else None
        if recording is None:
            yield BadItem(where, f"the recording '{fields[0] if fields else ''}' is not in wav.scp")
        elif isinstance(recording, BadItem):
            yield recording
        else:
            try:
                start, end = (float(fields[1]), float(fields[2])) if len(fields) >= 3 else (0.0, 0.0)
            except ValueError:
                yield BadItem(where, "start and end are not numbers")
                continue
            length = end - start if end > start else 0.0  # Kaldi writes -1 for "to the end"
            yield Candidate(where, Utterance(name, str(recording), length, texts.get(name), speakers.get(name), start))


def _kaldi_table(path: Path) -> list[tuple[str, str, str]]:
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            name, _, value = line.strip().partition(" ")
            rows.append((f"{path} line {number}", name, value.strip()))
    return rows


def _kaldi_audio(source: Path, where: str, value: str) -> Path | BadItem:
    if not value.endswith("|"):
        path = Path(value)
        return path if path.is_absolute() or path.exists() else source / value
    words = value.rstrip("| ").split()
    files = [word for word in words if Path(word).suffix.lower() in AUDIO_EXTENSIONS]
    if words and Path(words[0]).name in KALDI_PIPE_TOOLS and len(files) == 1:
        return Path(files[0])
    return BadItem(where, f"the command '{value}' is not run; write the file's path instead")


def keep_where(manifest: Manifest, conditions: dict[str, str]) -> Manifest:
    """The utterances whose keys (`split`, `speaker`, …) have the given values. Raises ManifestError if none has."""
    kept = [
        utterance
        for utterance in manifest.utterances
        if all(str(getattr(utterance, key, utterance.extra.get(key))) == value for key, value in conditions.items())
    ]
    if not kept:
        shown = ", ".join(f"{key}={value}" for key, value in conditions.items())
        raise ManifestError(f"no utterance has {shown}; see what there is with 'asr data stats'.")
    return replace(manifest, utterances=kept)
