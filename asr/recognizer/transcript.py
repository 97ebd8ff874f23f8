"""Transcripts and the formats they are written in."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asr.atomic_file import write_text
from asr.decode.timed import Word, time_values, word_values
from asr.errors import ConfigError
from asr.recognizer.page import html_page
from asr.recognizer.reading import paragraphs, text_of
from asr.recognizer.subtitles import DEFAULT_STYLE, Cue, SubtitleStyle, cues
from asr.recognizer.textgrid import text_grid
from asr.recognizer.turns import label

__all__ = ["FORMATS", "Cue", "SubtitleStyle", "Transcript", "Word", "cues"]

LEAST_CONFIDENCE = 1e-4  # in logarithms


@dataclass(frozen=True)
class Transcript:
    """What was said in a recording. `file` is as the caller gave it, `duration` in seconds, `style` of subtitles."""

    file: str
    duration: float
    words: tuple[Word, ...]
    style: SubtitleStyle = DEFAULT_STYLE

    @property
    def text(self) -> str:
        """The words as they are to be read, with marks, capitals and figures where those were asked for."""
        return text_of(self.words)

    @property
    def raw(self) -> str:
        """The words as they were recognised, separated by spaces."""
        return " ".join(word.word for word in self.words)

    @property
    def cues(self) -> list[Cue]:
        """The subtitles."""
        return cues(self.words, self.style, self.duration or math.inf)

    def to_txt(self) -> str:
        """The text in paragraphs with blank lines between; of channels transcribed apart, a line for each turn."""
        if any(word.channel is not None for word in self.words):
            return "".join(f"{label(part[0].channel)}{text_of(part)}\n" for part in paragraphs(self.words))
        return "\n\n".join(map(text_of, paragraphs(self.words))) + "\n"

    def to_json(self) -> str:
        """An object in one line: `file`, `text`, `duration` and `words` with `start`, `end` and `confidence`.

        Where marks were set, `text` is for reading, `raw` as recognised, and each word has its `display`.
        """
        words = [word_values(word) for word in self.words]
        both = {"raw": self.raw} if any(word.display is not None for word in self.words) else {}
        duration = round(float(self.duration), 3)
        values = {"file": self.file, "text": self.text, **both, "duration": duration, "words": words}
        return json.dumps(values, ensure_ascii=False) + "\n"

    def to_verbose_json(self) -> str:
        """An object in the shape of OpenAI's `verbose_json`, with segments and words; what Whisper alone knows is 0."""
        segments = []
        for number, cue in enumerate(self.cues):
            part = self.words[cue.first : cue.last]
            text = text_of(part)
            logs = [math.log(max(LEAST_CONFIDENCE, word.confidence)) for word in part]
            segments.append({
                "id": number, "seek": 0, **time_values(part[0].start, part[-1].end),
                "text": f" {text}", "tokens": [], "temperature": 0.0, "avg_logprob": round(sum(logs) / len(logs), 4),
                "compression_ratio": round(len(text.encode()) / len(zlib.compress(text.encode())), 4),
                "no_speech_prob": 0.0,
            })  # fmt: skip
        values = {
            "task": "transcribe", "language": "english", "duration": round(float(self.duration), 3), "text": self.text,
            "segments": segments,
            "words": [{"word": word.word, **time_values(word.start, word.end)} for word in self.words],
        }  # fmt: skip
        return json.dumps(values, ensure_ascii=False) + "\n"

    def to_srt(self) -> str:
        """Subtitles in SubRip's form."""
        return "".join(
            f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.text}\n\n"
            for number, cue in enumerate(self.cues, 1)
        )

    def to_vtt(self) -> str:
        """Subtitles in WebVTT's form."""
        body = "".join(
            f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_escaped(cue.text)}\n\n" for cue in self.cues
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

    def to_textgrid(self) -> str:
        """Praat's form: an interval for each word and each silence, a tier for each channel."""
        return text_grid(self.words, self.duration)

    def to_html(self) -> str:
        """A page in one file: player, words to click, confidence as colour, search, a column for each channel.

        An audio file that a browser plays is part of it if it is not large; else the page asks for it.
        """
        return html_page(self.file, self.duration, self.words)

    def write(self, path: str | Path, format: str | None = None) -> None:
        """Write the transcript to a file, whole or not at all. format: one of `FORMATS`; by default the path's ending.

        Raises ConfigError for an unknown format, OSError where the file cannot be written.
        """
        name = format if format is not None else Path(path).suffix.removeprefix(".")
        known = _known(name)
        if known is None:
            raise ConfigError(f"'{name}' is no transcript format; choose one of {', '.join(FORMATS)}.")
        write_text(Path(path), FORMATS[known](self))


def format_of(path: str | Path) -> str | None:
    """The one of `FORMATS` that a file's ending names, or None."""
    return _known(Path(path).suffix.removeprefix("."))


def _known(name: str) -> str | None:
    return {key.lower(): key for key in FORMATS}.get(name.lower())


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _escaped(text: str) -> str:
    """A cue's text as WebVTT wants it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


FORMATS: dict[str, Callable[[Transcript], str]] = {
    "txt": Transcript.to_txt, "json": Transcript.to_json, "verbose_json": Transcript.to_verbose_json,
    "srt": Transcript.to_srt, "vtt": Transcript.to_vtt, "tsv": Transcript.to_tsv, "ctm": Transcript.to_ctm,
    "TextGrid": Transcript.to_textgrid, "html": Transcript.to_html,
}  # fmt: skip
