"""Transcripts and the formats they are written in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CUE_CHARACTERS = 84  # two subtitle lines of 42
CUE_SECONDS = 6.0
CUE_PAUSE = 0.8  # a pause this long begins a new subtitle
CUE_MIN_SECONDS = 0.6


@dataclass(frozen=True)
class TimedWord:
    """A word with its times in seconds of the file and its confidence, 0..1."""

    word: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What was said in a file. `file` is as the caller gave it, `duration` in seconds."""

    file: str
    duration: float
    words: tuple[TimedWord, ...]

    @property
    def text(self) -> str:
        return " ".join(word.word for word in self.words)


@dataclass(frozen=True)
class Cue:
    """A subtitle."""

    start: float
    end: float
    text: str


def cues(words: tuple[TimedWord, ...]) -> list[Cue]:
    """Words in subtitles of at most two lines and six seconds, divided at pauses."""
    groups: list[list[TimedWord]] = []
    for word in words:
        group = groups[-1] if groups else []
        length = sum(len(other.word) + 1 for other in group) + len(word.word)
        if (
            not group
            or length > CUE_CHARACTERS
            or word.end - group[0].start > CUE_SECONDS
            or word.start - group[-1].end > CUE_PAUSE
        ):
            groups.append([word])
        else:
            group.append(word)
    found = []
    for index, group in enumerate(groups):
        limit = groups[index + 1][0].start if index + 1 < len(groups) else float("inf")
        end = min(max(group[-1].end, group[0].start + CUE_MIN_SECONDS), max(limit, group[-1].end))
        found.append(Cue(group[0].start, end, " ".join(word.word for word in group)))
    return found


def _txt(transcript: Transcript) -> str:
    return transcript.text + "\n"


def _json(transcript: Transcript) -> str:
    words = [
        {"word": w.word, "start": round(w.start, 3), "end": round(w.end, 3), "confidence": round(w.confidence, 4)}
        for w in transcript.words
    ]
    values = {
        "file": transcript.file,
        "text": transcript.text,
        "duration": round(transcript.duration, 3),
        "words": words,
    }
    return json.dumps(values, ensure_ascii=False) + "\n"


def _srt(transcript: Transcript) -> str:
    return "".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.text}\n\n"
        for number, cue in enumerate(cues(transcript.words), 1)
    )


def _vtt(transcript: Transcript) -> str:
    body = "".join(
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{cue.text}\n\n" for cue in cues(transcript.words)
    )
    return f"WEBVTT\n\n{body}"


def _tsv(transcript: Transcript) -> str:
    lines = [f"{w.start:.3f}\t{w.end:.3f}\t{w.word}\t{w.confidence:.4f}\n" for w in transcript.words]
    return "start\tend\tword\tconfidence\n" + "".join(lines)


def _ctm(transcript: Transcript) -> str:
    """NIST's time-marked form: recording, channel, begin, duration, word, confidence."""
    name = Path(transcript.file).stem.replace(" ", "_")
    return "".join(
        f"{name} 1 {w.start:.3f} {max(0.0, w.end - w.start):.3f} {w.word} {w.confidence:.4f}\n"
        for w in transcript.words
    )


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


FORMATS: dict[str, Callable[[Transcript], str]] = {
    "txt": _txt, "json": _json, "srt": _srt, "vtt": _vtt, "tsv": _tsv, "ctm": _ctm,
}  # fmt: skip
