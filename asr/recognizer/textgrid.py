"""Word times as a TextGrid, the form of the phonetics program Praat."""

from __future__ import annotations

from collections.abc import Sequence

from asr.decode.timed import Word

SHORTEST = 1e-4  # seconds; Praat refuses empty intervals

Interval = tuple[float, float, str]  # beginning and end in seconds, what is said


def text_grid(words: Sequence[Word], duration: float) -> str:
    """A TextGrid with a tier of intervals for each channel; what is no word is an interval without text.

    A word that begins before the one ahead of it has ended begins where that ends.
    """
    channels = list(dict.fromkeys(word.channel for word in words)) or [None]
    tiers = []
    named = {
        "words" if channel is None else f"channel {channel}": _intervals(
            [word for word in words if word.channel == channel]
        )
        for channel in sorted(channels, key=lambda each: each or 0)
    }
    end = max([duration, SHORTEST, *(spoken[-1][1] for spoken in named.values() if spoken)])
    for number, (name, spoken) in enumerate(named.items(), 1):
        intervals = _reaching(spoken, end)
        lines = "".join(
            f"        intervals [{place}]:\n            xmin = {first:.4f}\n            xmax = {last:.4f}\n"
            f'            text = "{_quoted(text)}"\n'
            for place, (first, last, text) in enumerate(intervals, 1)
        )
        tiers.append(
            f'    item [{number}]:\n        class = "IntervalTier"\n        name = "{name}"\n        xmin = 0\n'
            f"        xmax = {end:.4f}\n        intervals: size = {len(intervals)}\n{lines}"
        )
    return (
        f'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = {end:.4f}\ntiers? <exists>\n'
        f"size = {len(tiers)}\nitem []:\n{''.join(tiers)}"
    )


def _intervals(words: Sequence[Word]) -> list[Interval]:
    """Intervals from 0 to the end of the last word without holes; none of them is empty."""
    found: list[Interval] = []
    at = 0.0
    for word in words:
        first = max(at, word.start)
        last = max(word.end, first + SHORTEST)
        if first - at >= SHORTEST:
            found.append((at, first, ""))
        else:
            first = at
        found.append((first, last, word.word))
        at = last
    return found


def _reaching(intervals: Sequence[Interval], end: float) -> list[Interval]:
    """The intervals, and silence up to `end`."""
    *before, (first, last, text) = intervals or [(0.0, 0.0, "")]
    if not intervals or end - last < SHORTEST:
        return [*before, (first, end, text)]
    return [*intervals, (last, end, "")]


def _quoted(text: str) -> str:
    return text.replace('"', '""')
