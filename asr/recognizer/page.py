"""A transcript as one HTML file that needs no network: player, words to click, confidence as colour, search."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from asr.decode.timed import Word
from asr.recognizer.reading import paragraphs, shown_as

TYPES = {
    ".wav": "audio/wav", ".mp3": "audio/mpeg", ".flac": "audio/flac", ".ogg": "audio/ogg", ".opus": "audio/ogg",
    ".m4a": "audio/mp4", ".mp4": "video/mp4", ".webm": "video/webm",
}  # fmt: skip
MOST_BYTES = 24_000_000  # of audio that becomes part of the page
UNSURE, VERY_UNSURE = 0.8, 0.5  # confidences below which a word is marked
_ASSETS = Path(__file__).parent


def html_page(file: str, duration: float, words: Sequence[Word]) -> str:
    """The page. The audio is part of it if `file` is one that browsers play, of at most `MOST_BYTES`."""
    channels = sorted({word.channel for word in words if word.channel is not None})
    columns = max(1, len(channels))
    rows = "".join(
        _row(part, channels.index(part[0].channel) + 1 if part[0].channel in channels else 1)
        for part in paragraphs(words)
    )
    heads = "".join(f'<h2 style="grid-column:{at}">Channel {name}</h2>' for at, name in enumerate(channels, 1))
    body = _BODY.format(
        title=escape(Path(file).name), source=_audio(Path(file)), columns=columns, heads=heads, rows=rows,
        length=_clock(duration),
    )  # fmt: skip
    style = (_ASSETS / "page.css").read_text(encoding="utf-8")
    script = (_ASSETS / "page.js").read_text(encoding="utf-8")
    return _PAGE.format(title=escape(Path(file).name), policy=_POLICY, style=style, body=body, script=script)


def _row(words: Sequence[Word], column: int) -> str:
    """A paragraph: its time, and its words with their times and confidence."""
    spans: list[str] = []
    for place, word in enumerate(words):
        text = shown_as(word)
        if not text and place:
            continue
        last = place
        while last + 1 < len(words) and words[last + 1].display == "":
            last += 1
        part = words[place : last + 1]
        confidence = min(each.confidence for each in part)
        mark = ' class="low"' if confidence < VERY_UNSURE else ' class="mid"' if confidence < UNSURE else ""
        spans.append(
            f'<span{mark} data-s="{word.start:.2f}" data-e="{part[-1].end:.2f}" title="{_clock(word.start)}, '
            f'confidence {confidence:.0%}">{escape(text or word.word)}</span>'
        )
    return (
        f'<section style="grid-column:{column}"><button class="time" data-s="{words[0].start:.2f}">'
        f"{_clock(words[0].start)}</button><p>{' '.join(spans)}</p></section>\n"
    )


def _audio(path: Path) -> str:
    """What the player plays: the file itself, or its name where it is large, missing or of another kind."""
    kind = TYPES.get(path.suffix.lower())
    try:
        if kind is not None and path.is_file() and path.stat().st_size <= MOST_BYTES:
            return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    except OSError:
        pass  # the page asks for the file
    return quote(os.fsencode(path.name))  # an address: a # would end it


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


# Nothing is loaded but the audio: the page's own, a file that is chosen, or the one beside it.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; media-src data: blob: file: 'self'"
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}<script>
{script}</script>
</body>
</html>
"""
_BODY = """<header>
<h1>{title}</h1> <small>{length}</small>
<audio controls preload="metadata" src="{source}"></audio>
<label id="pick" hidden>The audio is not beside this page: <input type="file" accept="audio/*,video/*"></label>
<input type="search" placeholder="Search" aria-label="Search the transcript"> <output></output>
<label><input type="checkbox" id="colours" checked> colour words by confidence</label>
</header>
<main style="--columns:{columns}">
{heads}{rows}</main>
"""
