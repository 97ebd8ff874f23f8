"""Word times as a TextGrid, the form of the phonetics program Praat."""

from __future__ import annotations

from collections.abc import Sequence

from asr.decode.timed import Word

SHORTEST = 1e-4  # seconds; Praat refuses empty intervals


def text_grid(words: Sequence[Word], duration: float) -> str:
    """A TextGrid with a tier of intervals for each channel; what is no word is an interval without text.

    A word that begins before the one ahead of it has ended begins where that ends.
    """
    channels = list(dict.fromkeys(word.channel for word in words)) or [None]
    tiers = []
    end = max([duration, *(word.end for word in words)])
    for number, channel in enumerate(sorted(channels, key=lambda each: each or 0), 1):
        name = "words" if channel is None else f"channel {channel}"
        intervals = _intervals([word for word in words if word.channel == channel], end)
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


def _intervals(words: Sequence[Word], end: float) -> list[tuple[float, float, str]]:
    """Intervals from 0 to `end` without holes."""
    found: list[tuple[float, float, str]] = []
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
    if end - at >= SHORTEST or not found:
        found.append((at, end, ""))
    elif found:
        found[-1] = (found[-1][0], end, found[-1][2])
    return found


def _quoted(text: str) -> str:
    return text.replace('"', '""')
