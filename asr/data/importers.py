"""Corpora to utterances: LibriSpeech folders, manifest.jsonl corpora, NeMo, CSV/TSV, Kaldi data folders."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from asr.audio.read import AUDIO_EXTENSIONS, audio_info
from asr.callbacks import Progress
from asr.data.manifest import BadItem, Manifest, Utterance, check_utterance, read_manifest
from asr.errors import AudioError, ManifestError, TextError
from asr.text.lines import read_csv, surplus_fields
from asr.text_file import read_text
from asr.utterance_id import check_ids, default_id, id_and_rest

PATH_COLUMNS = ("audio_filepath", "path", "file", "filename", "audio", "wav", "wav_filename")
TEXT_COLUMNS = ("text", "sentence", "transcript", "transcription")
SPEAKER_COLUMNS = ("speaker", "client_id", "speaker_id")
ID_COLUMNS = ("id", "utterance_id")
# Where a passage of a file begins, where it ends, and how long it is, in seconds.
PASSAGE_COLUMNS = (("offset", "start", "start_time", "begin"), ("end", "end_time", "stop"), ("duration", "length"))
DIVIDERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
# Commands of wav.scp that read a file, and how their words begin that take a part of it, a channel or another speed.
KALDI_PIPE_TOOLS = {
    "cat": (),
    "ffmpeg": ("-af", "-filter", "-itsoffset", "-lavfi", "-map", "-ss", "-t", "-to"),
    "flac": ("--cue", "--skip", "--until"),
    "sox": ("delay", "pad", "pitch", "remix", "repeat", "reverse", "silence", "speed", "splice", "stretch", "tempo",
            "trim", "vad"),
    "sph2pipe": ("-c", "-s", "-t"),
}  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """An item of a corpus whose audio has not been checked yet."""

    where: str
    utterance: Utterance


def detect_format(source: Path) -> str:
    """The format of the corpus at `source`, as `import_corpus` names it. Raises ManifestError for an unknown one."""
    if not source.exists():
        raise ManifestError(f"{source} does not exist; check the path.")
    if source.is_file():
        kinds = {".jsonl": "manifest", ".json": "manifest", ".csv": "csv", ".tsv": "csv"}
        if source.suffix.lower() in kinds:
            return kinds[source.suffix.lower()]
        raise ManifestError(f"{source} is not a corpus file; known suffixes are .jsonl, .json (NeMo), .csv and .tsv.")
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
        f"{source} is not a corpus folder; looked for *.trans.txt (LibriSpeech), manifest.jsonl, wav.scp (Kaldi), "
        "etc/an4_train.transcription and recordings/ (FSDD)."
    )


def import_corpus(source: str | Path, kind: str = "auto", progress: Progress | None = None) -> Manifest:
    """The utterances of a corpus; every audio header is read, items that cannot be used are listed with the reason.

    kind: auto, librispeech, manifest or nemo (JSON lines, or a folder with manifest.jsonl), csv (also TSV), kaldi, an4,
    fsdd; or sounds, which auto never takes: folders of audio without speech, whose texts are empty.
    Raises ManifestError if the corpus cannot be read or has no usable item.
    """
    source = Path(source)
    kind = detect_format(source) if kind == "auto" else kind
    readers = {"librispeech": _librispeech, "csv": _csv, "kaldi": _kaldi, "an4": _an4, "fsdd": _fsdd, "sounds": _sounds}
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
                raise ManifestError(f"the id '{item.utterance.id}' is repeated")
            check_ids([item.utterance.id])
            good.append(check_utterance(item.utterance))
            seen.add(item.utterance.id)
        except (AudioError, ManifestError, TextError) as error:
            bad.append(BadItem(item.where, str(error).rstrip(".")))
        if progress is not None:
            progress(number, len(candidates))
    if not good:
        first = f"; first: {bad[0]}" if bad else ""
        raise ManifestError(f"{source} has no usable utterance ({len(bad)} bad{first}).")
    return Manifest(good, bad)


def _librispeech(source: Path) -> Iterator[Candidate | BadItem]:
    """`SPEAKER/CHAPTER/ID.<any audio extension>` beside `SPEAKER-CHAPTER.trans.txt` (`ID TEXT` lines)."""
    for transcript in sorted(source.rglob("*.trans.txt")):
        audio = {path.stem: path for path in transcript.parent.iterdir() if path.suffix.lower() in AUDIO_EXTENSIONS}
        for number, line in enumerate(read_text(transcript, error=ManifestError).split("\n"), 1):
            name, text = id_and_rest(line)
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
    """CMU's AN4 archive: etc/an4_{train,test}.transcription (`<s> TEXT </s> (ID)`) and .fileids. Keeps `split`."""
    for split in ("train", "test"):
        listing = source / "etc" / f"an4_{split}.fileids"
        lines = read_text(listing, error=ManifestError).split("\n")
        paths = {Path(line.strip()).name: line.strip() for line in lines if line.strip()}
        transcript = source / "etc" / f"an4_{split}.transcription"
        for number, line in enumerate(read_text(transcript, error=ManifestError).split("\n"), 1):
            text, _, name = line.strip().rstrip(")").rpartition("(")
            where = f"{transcript} line {number}"
            audio = sorted((source / "wav").glob(f"{paths[name]}.*")) if name in paths else []
            if not audio:
                yield BadItem(where, f"no audio file for '{name}'")
                continue
            words = " ".join(word for word in text.split() if not word.startswith("<"))
            speaker = Path(paths[name]).parent.name
            yield Candidate(where, Utterance(name, str(audio[0]), 0.0, words, speaker, extra={"split": split}))


def _fsdd(source: Path) -> Iterator[Candidate | BadItem]:
    """The Free Spoken Digit Dataset: recordings/DIGIT_SPEAKER_TAKE.wav; takes 0-4 are its test part."""
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for path in sorted((source / "recordings").glob("*.wav")):
        fields = path.stem.split("_")
        if len(fields) != 3 or not fields[0].isdigit() or not fields[2].isdigit() or int(fields[0]) > 9:
            yield BadItem(str(path), "the name is not DIGIT_SPEAKER_TAKE.wav")
            continue
        split = "test" if int(fields[2]) < 5 else "train"
        text = digits[int(fields[0])]
        yield Candidate(str(path), Utterance(path.stem, str(path), 0.0, text, fields[1], extra={"split": split}))


def _sounds(source: Path) -> Iterator[Candidate | BadItem]:
    """`KIND/FILE`, audio in which no word is said: the text is empty, `kind` is the folder's name."""
    for path in sorted(source.glob("*/*")):
        if path.suffix.lower() in AUDIO_EXTENSIONS:
            kind = path.parent.name
            name = default_id(f"{kind}-{path.name}")
            yield Candidate(str(path), Utterance(name, str(path), 0.0, "", extra={"kind": kind}))


def _csv(source: Path) -> Iterator[Candidate | BadItem]:
    """A table with a header line, whose columns have the names that Common Voice and DeepSpeech use.

    Its rows are passages of their files where it says when these begin and end.
    """
    divider, rows = _table(source)
    first = next(rows, (0, []))[1]
    header = [name.strip().lower() for name in first]
    path_column, text_column, speaker_column, id_column, *passage_columns = (
        next((header.index(name) for name in names if name in header), None)
        for names in (PATH_COLUMNS, TEXT_COLUMNS, SPEAKER_COLUMNS, ID_COLUMNS, *PASSAGE_COLUMNS)
    )
    if path_column is None:
        raise ManifestError(
            f"{source} has no column of audio paths; name one of: {', '.join(PATH_COLUMNS)}. Its columns, divided by "
            f"{DIVIDERS[divider]}, are: {', '.join(header) or 'none'}."
        )
    found: list[tuple[str, Utterance]] = []
    for line, row in rows:
        where = f"{source} line {line}"
        if surplus := surplus_fields(row, len(header)):  # of a text with commas: only its beginning would be taken
            yield BadItem(where, surplus)
            continue
        value = (_cell(row, path_column) or "").strip()
        if not value:
            yield BadItem(where, f"the column '{header[path_column]}' is empty")
            continue
        audio = Path(value) if Path(value).is_absolute() else source.parent / value
        if not audio.exists() and (source.parent / "clips" / value).exists():
            audio = source.parent / "clips" / value  # Common Voice keeps its audio there
        name, text, speaker = (_cell(row, column) for column in (id_column, text_column, speaker_column))
        passage = _passage(*(_cell(row, column) for column in passage_columns))
        if isinstance(passage, str):
            yield BadItem(where, passage)
            continue
        start, length = passage
        found.append((where, Utterance(name or "", str(audio), length, text or None, speaker or None, start)))
    repeated = Counter(Path(audio).stem for audio in {item.audio_filepath for _, item in found if not item.id})
    for where, item in found:
        if not item.id:
            item = replace(item, id=_id_of_file(Path(item.audio_filepath), source.parent, repeated, item.offset))
        yield Candidate(where, item)


def _table(source: Path) -> tuple[str, Iterator[tuple[int, list[str]]]]:
    """What divides the columns of a table, and its rows with the numbers of their lines.

    Commas or tabs, by the suffix, unless the header has other signs: spreadsheets of countries with decimal commas
    write semicolons. Where tabs divide, as in Common Voice, a text may begin with a quotation mark that none closes.
    """
    divider = "\t" if source.suffix.lower() == ".tsv" else ","
    header = next(read_csv(source, divider, quoting=False), (0, [""]))[1]
    if len(header) == 1:
        divider = next((sign for sign in DIVIDERS if sign in header[0]), divider)
    if divider != "\t":
        return divider, read_csv(source, divider)
    rows = read_csv(source, divider, quoting=False)
    return divider, ((line, [_unquoted(cell) for cell in row]) for line, row in rows)


def _unquoted(cell: str) -> str:
    """A cell without the quotation marks that programs write around one that has some, which they double."""
    inside = cell[1:-1]
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inside.replace('""', "")
    return inside.replace('""', '"') if quoted else cell


def _passage(start: str | None, end: str | None, length: str | None) -> tuple[float, float] | str:
    """Where in its file a row's passage begins, and its length, 0 for all that follows; or what is wrong with it.

    The whole file, (0, 0), unless the table has a beginning and either an end or a length.
    """
    if start is None or (end is None and length is None):
        return 0.0, 0.0
    try:
        begin = _seconds(start)
        size = _seconds(length) if end is None else _seconds(end) - begin
    except ValueError:
        return f"the passage from '{start}' to '{length if end is None else end}' is not told in seconds"
    if begin < 0 or size <= 0:
        return f"the passage from {start} s has no length"
    return begin, size


def _seconds(cell: str | None) -> float:
    """A number with a decimal point or comma. Raises ValueError for others."""
    value = float((cell or "").strip().replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(cell)
    return value


def _id_of_file(audio: Path, folder: Path, repeated: Counter[str], offset: float) -> str:
    """The id of a file that has none: its name, after its folders where other files have the same name.

    Of a passage its beginning is part of it.
    """
    if repeated[audio.stem] < 2:
        return default_id(audio, offset)
    parts = audio.relative_to(folder).parts if audio.is_relative_to(folder) else audio.parts[-2:]
    return default_id("-".join(parts), offset)


def _cell(row: list[str], column: int | None) -> str | None:
    """The value of a column, or None if the table or the row has no such column."""
    return None if column is None or column >= len(row) else row[column]


def _kaldi(source: Path) -> Iterator[Candidate | BadItem]:
    """A Kaldi data folder: wav.scp, text, and optional segments and utt2spk.

    A command such as `flac -c … |` is replaced by the file that it reads.
    """
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
                start = end = math.nan
            if not 0 <= start < math.inf or math.isnan(end):
                yield BadItem(where, "start and end are not numbers of seconds")
                continue
            length = end - start if end > start else 0.0  # Kaldi writes -1 for "to the end"
            yield Candidate(where, Utterance(name, str(recording), length, texts.get(name), speakers.get(name), start))


def _kaldi_table(path: Path) -> list[tuple[str, str, str]]:
    """The lines of a Kaldi file as (place, key, value); none if there is no such file."""
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(read_text(path, error=ManifestError).split("\n"), 1):
        if line.strip():
            rows.append((f"{path} line {number}", *id_and_rest(line)))
    return rows


def _kaldi_audio(source: Path, where: str, value: str) -> Path | BadItem:
    """The audio file of a recording in wav.scp, which may be the argument of a decoding command."""
    if not value.endswith("|"):
        path = Path(value)
        return path if path.is_absolute() or path.exists() else source / value
    try:
        commands = [shlex.split(command) for command in value.rstrip("| ").split("|")]
    except ValueError:  # a quotation mark that is not closed
        commands = []
    names = [Path(command[0]).name if command else "" for command in commands]
    files = [word for command in commands for word in command if Path(word).suffix.lower() in AUDIO_EXTENSIONS]
    if not commands or len(files) != 1 or not all(name in KALDI_PIPE_TOOLS for name in names):
        return BadItem(where, f"the command '{value}' is not run; write the path of the file instead")
    for name, command in zip(names, commands, strict=True):
        changes = [word for word in command[1:] if word not in files and word.startswith(KALDI_PIPE_TOOLS[name])]
        if changes and not (name == "sph2pipe" and changes == ["-c"] and _channels(files[0]) == 1):
            return BadItem(where, f"'{changes[0]}' in the command '{value}' takes another sound than the file's; store "
                                  "that in a file and write its path instead")  # fmt: skip
    return Path(files[0])


def _channels(audio: str) -> int:
    """The channels of a file, 1 where it cannot be read, which is found out later."""
    try:
        return audio_info(audio, measure=False).channels
    except AudioError:
        return 1


def keep_where(manifest: Manifest, conditions: dict[str, str]) -> Manifest:
    """The utterances whose keys (`split`, `speaker`, …) have the given values. Raises ManifestError if none has."""
    selected = [
        utterance
        for utterance in manifest.utterances
        if all(str(getattr(utterance, key, utterance.extra.get(key))) == value for key, value in conditions.items())
    ]
    if not selected:
        shown = ", ".join(f"{key}={value}" for key, value in conditions.items())
        raise ManifestError(f"no utterance has {shown}; see which values there are with 'asr data stats'.")
    return replace(manifest, utterances=selected)
