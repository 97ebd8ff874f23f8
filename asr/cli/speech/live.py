"""`asr transcribe --stream`: words on the screen while they are spoken."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, Self

import click

from asr.audio.live import Block, read_microphone, read_pipe, short_blocks
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


def _follow(recognizer: Recognizer, rate: int, blocks: Iterable[Block], as_json: bool) -> None:
    stream = recognizer.stream(rate)
    printer = _Printer(as_json)
    with _Interrupts() as interrupts:
        for block in interrupts.until_told(blocks):
            printer.show(stream.push(block))
        printer.show(stream.finish())


class _Interrupts:
    """Ctrl-C or SIGTERM ends the waiting for sound: the user has said what there was to say.

    Work on what was heard goes on to its end, since an utterance that is given up half-way is lost. A second signal
    ends that, too.
    """

    def __init__(self) -> None:
        self._told = self._waiting = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        with suppress(ValueError):  # not in the main thread
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) != signal.SIG_IGN:  # as in the background jobs of shells
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def until_told(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The blocks, until a signal comes."""
        iterator = iter(blocks)
        while True:
            self._waiting = True
            try:
                block = None if self._told else next(iterator, None)
            except KeyboardInterrupt:
                self._told, block = True, None
            finally:
                self._waiting = False
            if block is None:
                return
            yield block

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if not self._waiting and not self._told:
            self._told = True
        elif callable(before := self._before.get(number)):
            before(number, frame)  # raises KeyboardInterrupt
        else:
            raise KeyboardInterrupt


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
