"""The options of commands for text that is to be read: marks, numbers, subtitles."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from asr.errors import ConfigError
from asr.recognizer.reading import NUMBERS
from asr.recognizer.subtitles import DEFAULT_STYLE, SubtitleStyle
from asr.text.lines import read_lines

Command = Callable[..., Any]

raw_option = click.option(
    "--raw", is_flag=True, help="Words as they are recognised: no marks, capitals and figures, whatever the format."
)
numbers_option = click.option(
    "--numbers",
    type=click.Choice(NUMBERS),
    default="digits",
    show_default=True,
    help="Write numbers from ten on, years, money and the like in figures, or leave all in words.",
)


def subtitle_options(function: Command) -> Command:
    """Options for subtitles, as one argument `style`."""

    @click.option(
        "--frame-rate", type=click.FloatRange(min=1), default=DEFAULT_STYLE.frame_rate, show_default=True,
        metavar="FPS", help="Subtitles begin and end on frames of that rate.",
    )  # fmt: skip
    @click.option(
        "--shots", type=click.Path(path_type=Path), metavar="FILE",
        help="Seconds at which the picture changes, one a line: subtitles begin and end there where they can.",
    )  # fmt: skip
    @wraps(function)
    def collecting(*, frame_rate: float, shots: Path | None, **others: Any) -> Any:
        style = SubtitleStyle(frame_rate=frame_rate, shots=_shots(shots) if shots is not None else ())
        return function(style=style, **others)

    return collecting


def _shots(path: Path) -> tuple[float, ...]:
    """The seconds in a file, in order. Raises ConfigError for a line that is no number."""
    seconds = []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            value = float(line)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ConfigError(f"{path} line {number} is no number of seconds: '{line}'.")
        seconds.append(value)
    return tuple(sorted(seconds))
