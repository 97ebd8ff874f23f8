"""Manifests: JSON lines, one utterance each, with NeMo's keys plus id, speaker and offset."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from asr.atomic_file import replacing
from asr.audio.read import audio_info
from asr.callbacks import Progress
from asr.errors import ManifestError, explain
from asr.json_text import parse_json
from asr.text.lines import can_be_written, read_lines
from asr.unpacking import read_unpacked, unpacked_name
from asr.utterance_id import check_ids, id_in

DURATION_TOLERANCE = 0.5  # seconds by which offset plus duration may exceed the file: sources round or pad; it is cut


@dataclass(frozen=True)
class Utterance:
    """One piece of speech: `duration` seconds of `audio_filepath` from `offset` seconds on, and its transcript."""

    id: str
    audio_filepath: str
    duration: float
    text: str | None = None
    speaker: str | None = None
    offset: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict, compare=False)

    def to_json(self) -> str:
        """The utterance as one line of a manifest."""
        values: dict[str, Any] = {
            "id": self.id,
            "audio_filepath": self.audio_filepath,
            "duration": round(self.duration, 4),
        }
        if self.text is not None:
            values["text"] = self.text
        if self.speaker is not None:
            values["speaker"] = self.speaker
        if self.offset:
            values["offset"] = self.offset
        return json.dumps({**values, **self.extra}, ensure_ascii=False)


@dataclass(frozen=True)
class BadItem:
    """An item that cannot be used: its place and the reason."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True)
class Manifest:
    """The usable utterances of a manifest, and the items that cannot be used, each with the reason."""

    utterances: list[Utterance]
    bad: list[BadItem]

    @property
    def seconds(self) -> float:
        """The total duration of the usable utterances."""
        return sum(utterance.duration for utterance in self.utterances)


def read_manifest(path: str | Path, check_audio: bool = False, progress: Progress | None = None) -> Manifest:
    """The content of a manifest file; lines that cannot be used are listed with the reason.

    check_audio: also read every file's header; missing files and offsets past the end become bad items. Relative audio
    paths start at the manifest's folder. Raises ManifestError if the file cannot be read or has no usable line.
    """
    path = Path(path)
    # not splitlines(): a text may hold what Unicode calls the end of a line, and JSON does not
    lines = read_unpacked(path, "manifest", ManifestError).removesuffix("\n").split("\n")
    good: list[Utterance] = []
    bad: list[BadItem] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            utterance = _parse(line, path.parent, number)
            if utterance.id in seen:
                raise ManifestError(f"the id '{utterance.id}' is repeated")
            if check_audio:
                utterance = check_utterance(utterance)
        except Exception as error:  # whatever it is: the other lines are read
            bad.append(BadItem(f"{path} line {number}", explain(error).rstrip(".")))
        else:
            seen.add(utterance.id)
            good.append(utterance)
        if progress is not None:
            progress(number, len(lines))
    if not good:
        first = f"; first: {bad[0]}" if bad else ""
        raise ManifestError(f"manifest {path} has no usable utterance ({len(bad)} bad lines{first}).")
    return Manifest(good, bad)


def _parse(line: str, folder: Path, number: int) -> Utterance:
    try:
        values = parse_json(line)
    except json.JSONDecodeError as error:
        raise ManifestError(f"not JSON ({error.msg} at column {error.colno})") from None
    except ValueError as error:  # a number of very many digits, lists in lists
        raise ManifestError(f"not JSON that can be read ({error})") from None
    if not isinstance(values, dict):
        raise ManifestError("not a JSON object")
    if not isinstance(values.get("audio_filepath"), str):
        raise ManifestError("the key 'audio_filepath' is missing or not text")
    for key in ("duration", "offset"):
        number_value = values.get(key, 0.0)
        if isinstance(number_value, bool) or not isinstance(number_value, (int, float)) or not 0 <= number_value < 1e9:
            raise ManifestError(f"the key '{key}' is {number_value!r}, not seconds of 0 or more")
    for key in ("text", "speaker"):
        if values.get(key) is not None and not isinstance(values[key], str):
            raise ManifestError(f"the key '{key}' is {values[key]!r}, not text")
    if not can_be_written("".join(str(values.get(key)) for key in ("id", "text", "speaker"))):
        raise ManifestError("a text holds half of a surrogate pair, which is no character")
    audio = Path(values["audio_filepath"])
    name = id_in(values)
    check_ids([name])
    known = {"id", "audio_filepath", "duration", "text", "speaker", "offset"}
    return Utterance(
        id=name,
        audio_filepath=str(audio if audio.is_absolute() else folder / audio),
        duration=float(values.get("duration", 0.0)),
        text=values.get("text"),
        speaker=values.get("speaker"),
        offset=float(values.get("offset", 0.0)),
        extra={key: value for key, value in values.items() if key not in known},
    )


def check_utterance(utterance: Utterance) -> Utterance:
    """The utterance, with its duration from the audio header if it has none, or one a little longer than the file.

    Raises AudioError if the file cannot be read, ManifestError if offset and duration do not fit it.
    """
    length = audio_info(utterance.audio_filepath).duration
    if utterance.offset and utterance.offset >= length:
        raise ManifestError(f"offset {utterance.offset} s is past the end of the audio ({length:.2f} s)")
    rest = length - utterance.offset
    if utterance.duration > rest + DURATION_TOLERANCE:
        raise ManifestError(f"duration {utterance.duration} s reaches past the end of the audio ({rest:.2f} s left)")
    if 0 < utterance.duration <= rest:
        return utterance
    return replace(utterance, duration=rest)


def sentences(path: str | Path) -> Iterator[str]:
    """The texts of a manifest's lines, or the lines of a text file (plain or compressed), one at a time.

    Nothing but `text` is read of a manifest; where it is absent the text is empty. Raises ManifestError, with its
    number, for a line that is no JSON object or whose text is none.
    """
    path = Path(path)
    return _texts(path) if unpacked_name(path).suffix == ".jsonl" else read_lines(path)


def _texts(path: Path) -> Iterator[str]:
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            text = parse_json(line).get("text") or ""
        except (ValueError, AttributeError):
            raise ManifestError(f"{path} line {number} is not a line of a manifest: {line[:60]!r}.") from None
        if not isinstance(text, str) or not can_be_written(text):
            raise ManifestError(f"{path} line {number}: the key 'text' is {str(text)[:60]!r}, not text.")
        yield text


def write_manifest(path: str | Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest atomically: the old file stays until the new one is complete.

    Audio paths below the manifest's folder are written relative to it, so that the folder can be moved.
    """
    folder = Path(path).parent.resolve()
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for utterance in utterances:
            audio = Path(utterance.audio_filepath).resolve()
            shown = audio.relative_to(folder) if audio.is_relative_to(folder) else audio
            file.write(replace(utterance, audio_filepath=str(shown)).to_json() + "\n")


def shared_utterances(first: Manifest, second: Manifest) -> int:
    """How many utterances of the second manifest are the same audio as one of the first."""
    places = [
        {(os.path.abspath(utterance.audio_filepath), utterance.offset) for utterance in manifest.utterances}
        for manifest in (first, second)
    ]
    return len(places[0] & places[1])
