"""`asr transcribe --stream`: words on the screen while they are spoken."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable

import click
import numpy as np
from numpy.typing import NDArray

from asr.audio.live import read_microphone, read_pipe, short_blocks
from asr.audio.source import open_audio
from asr.cli.console import is_terminal
from asr.cli.speech.output_names import STDIN
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.stream import StreamEvent, Utterance, event_values


def follow_microphone(recognizer: Recognizer, device: str | None, as_json: bool) -> None:
    """Print what is said into a microphone until the user interrupts."""
    rate = recognizer.backend.sample_rate
    _follow(recognizer, rate, read_microphone(rate, device), as_json)


def follow_path(
    recognizer: Recognizer, path: str, rate: int | None, real_time: bool, partial: bool, as_json: bool
) -> None:
    """Print what is said in a file, as fast as it can be read or at the speed of time, or on standard input."""
    if path == STDIN:
        rate, blocks = read_pipe(sys.stdin.buffer, rate, "standard input")
        _follow(recognizer, rate, blocks, as_json)
        return
    at = recognizer.backend.sample_rate
    with open_audio(path, sample_rate=at, partial=partial) as audio:
        _follow(recognizer, at, short_blocks(audio.blocks, at, real_time), as_json)


def _follow(recognizer: Recognizer, rate: int, blocks: Iterable[NDArray[np.generic]], as_json: bool) -> None:
    stream = recognizer.stream(rate)
    printer = _Printer(as_json)
    try:
        for block in blocks:
            printer.show(stream.push(block))
    except KeyboardInterrupt:  # the user has said what there was to say
        pass
    printer.show(stream.finish())


class _Printer:
    """Prints utterances on stdout, and on a terminal the words that are being spoken, on stderr; or all as JSON."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._draws = not as_json and is_terminal(sys.stderr)

    def show(self, events: Iterable[StreamEvent]) -> None:
        for event in events:
            if self._json:
                click.echo(json.dumps(event_values(event), ensure_ascii=False))
            elif isinstance(event, Utterance):
                self._draw("")
                click.echo(event.text)
            else:
                self._draw(event.text)
        if sys.stdout is not None:
            sys.stdout.flush()

    def _draw(self, text: str) -> None:
        if self._draws:
            room = shutil.get_terminal_size().columns - 1
            sys.stderr.write("\r" + (text if len(text) <= room else "…" + text[1 - room :]) + "\x1b[K")
            sys.stderr.flush()
