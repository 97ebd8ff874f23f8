"""Words with times in seconds, made of a search's frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asr.decode.hypothesis import Hypothesis


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds of the recording and its confidence, 0..1.

    channel: of the recording, from 1, where its channels were transcribed apart. display: how it is written for
    reading, with capitals, marks and figures; empty where the word before shows it as well, as with "twenty five"
    written 25; None where that was not asked for.
    """

    word: str
    start: float
    end: float
    confidence: float
    channel: int | None = None
    display: str | None = None


def timed_words(hypothesis: Hypothesis, seconds_per_frame: float, start: float = 0.0) -> list[Word]:
    """A hypothesis's words with times in seconds; `start` is where its first frame begins."""
    return [
        Word(
            word.word,
            start + word.start_frame * seconds_per_frame,
            start + word.end_frame * seconds_per_frame,
            word.confidence,
        )
        for word in hypothesis.words
    ]


def time_values(start: float, end: float) -> dict[str, float]:
    """Times as values of JSON; words that a program makes may have NumPy's numbers."""
    return {"start": round(float(start), 3), "end": round(float(end), 3)}


def word_values(word: Word) -> dict[str, Any]:
    """A word as values of JSON: `word`, `start`, `end`, `confidence`, and `channel` and `display` where it has them."""
    values = {
        "word": word.word,
        **time_values(word.start, word.end),
        "confidence": round(float(word.confidence), 4),
        "channel": word.channel,
        "display": word.display,
    }
    return {name: value for name, value in values.items() if value is not None}
