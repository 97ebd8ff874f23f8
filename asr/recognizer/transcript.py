"""Transcripts and the formats they are written in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asr.atomic_file import write_text
from asr.decode.timed import Word
from asr.errors import ConfigError
from asr.recognizer.turns import label, turns

__all__ = ["FORMATS", "Cue", "Transcript", "Word", "cues"]

CUE_CHARACTERS = 84  # two subtitle lines of 42
CUE_SECONDS = 6.0
CUE_PAUSE = 0.8  # a pause this long begins a new subtitle
CUE_MIN_SECONDS = 0.6


@dataclass(frozen=True)
class Transcript:
    """What was said in a recording. `file` is as the caller gave it, `duration` in seconds."""

    file: str
    duration: float
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words, separated by spaces."""
        return " ".join(word.word for word in self.words)

    def to_txt(self) -> str:
        """The text in one line; of channels that were transcribed apart, a line for each turn."""
        if not any(word.channel is not None for word in self.words):
            return self.text + "\n"
        return "".join(
            label(turn[0].channel) + " ".join(word.word for word in turn) + "\n" for turn in turns(self.words)
        )

    def to_json(self) -> str:
        """An object in one line: `file`, `text`, `duration` and `words` with `start`, `end` and `confidence`."""
        words = [
            {"word": w.word, "start": round(w.start, 3), "end": round(w.end, 3), "confidence": round(w.confidence, 4)}
            | ({} if w.channel is None else {"channel": w.channel})
            for w in self.words
        ]
        values = {"file": self.file, "text": self.text, "duration": round(self.duration, 3), "words": words}
        return json.dumps(values, ensure_ascii=False) + "\n"

    def to_srt(self) -> str:
        """Subtitles in SubRip's form."""
        return "".join(
            f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.text}\n\n"
            for number, cue in enumerate(cues(self.words), 1)
        )

    def to_vtt(self) -> str:
        """Subtitles in WebVTT's form."""
        body = "".join(
            f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{cue.text}\n\n" for cue in cues(self.words)
        )
        return f"WEBVTT\n\n{body}"

    def to_tsv(self) -> str:
        """A table with a header: start, end, word, confidence; and the channel, where channels were told apart."""
        apart = any(word.channel is not None for word in self.words)
        lines = [
            f"{w.start:.3f}\t{w.end:.3f}\t{w.word}\t{w.confidence:.4f}" + (f"\t{w.channel}\n" if apart else "\n")
            for w in self.words
        ]
        return "start\tend\tword\tconfidence" + ("\tchannel\n" if apart else "\n") + "".join(lines)

    def to_ctm(self) -> str:
        """NIST's time-marked form: recording, channel, begin, duration, word, confidence."""
        name = "_".join(Path(self.file).stem.split()) or "_"  # one field of the line
        return "".join(
            f"{name} {w.channel or 1} {w.start:.3f} {max(0.0, w.end - w.start):.3f} {w.word} {w.confidence:.4f}\n"
            for w in sorted(self.words, key=lambda word: (word.channel or 1, word.start))
        )

    def write(self, path: str | Path, format: str | None = None) -> None:
        """Write the transcript to a file, whole or not at all. format: one of `FORMATS`; by default the path's ending.

        Raises ConfigError for an unknown format, OSError where the file cannot be written.
        """
        name = format if format is not None else Path(path).suffix.removeprefix(".").lower()
        if name not in FORMATS:
            raise ConfigError(f"'{name}' is no transcript format; choose one of {', '.join(FORMATS)}.")
        write_text(Path(path), FORMATS[name](self))


@dataclass(frozen=True)
class Cue:
    """A subtitle."""

    start: float
    end: float
    text: str


def cues(words: tuple[Word, ...]) -> list[Cue]:
    """Subtitles of at most two lines and six seconds, divided at pauses and between channels."""
    groups: list[list[Word]] = []
    for word in words:
        group = groups[-1] if groups else []
        length = sum(len(other.word) + 1 for other in group) + len(word.word)
        if (
            not group
            or word.channel != group[0].channel
            or length > CUE_CHARACTERS
            or word.end - group[0].start > CUE_SECONDS
            or word.start - group[-1].end > CUE_PAUSE
        ):
            groups.append([word])
        else:
            group.append(word)
    subtitles = []
    for index, group in enumerate(groups):
        limit = groups[index + 1][0].start if index + 1 < len(groups) else float("inf")
        end = min(max(group[-1].end, group[0].start + CUE_MIN_SECONDS), max(limit, group[-1].end))
        subtitles.append(Cue(group[0].start, end, label(group[0].channel) + " ".join(word.word for word in group)))
    return subtitles


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


FORMATS: dict[str, Callable[[Transcript], str]] = {
    "txt": Transcript.to_txt, "json": Transcript.to_json, "srt": Transcript.to_srt, "vtt": Transcript.to_vtt,
    "tsv": Transcript.to_tsv, "ctm": Transcript.to_ctm,
}  # fmt: skip
