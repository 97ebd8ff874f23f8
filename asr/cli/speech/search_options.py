"""Options of the search that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from asr.errors import ConfigError
from asr.recognizer.decoding import AUTO, NO_LM, Extras
from asr.shipped import neural_lm_folder
from asr.text.lines import read_lines

HOTWORD_BOOST = 3.0  # nats

beam_threshold_option = click.option(
    "--beam-threshold", type=click.FloatRange(min=0), help="Drop hypotheses as many nats below the best."
)


class BeamWidth(click.ParamType):
    """SIZE or SIZE:NATS, as settings of the search."""

    name = "SIZE[:NATS]"

    def convert(self, value: Any, param: Any, ctx: Any) -> dict[str, float]:
        if isinstance(value, dict):
            return value
        size, _, nats = str(value).partition(":")
        try:
            settings = {"beam_size": int(size)} | ({"threshold": float(nats)} if nats else {})
        except ValueError:
            self.fail(f"'{value}' is not a beam size, nor a size and nats such as 1600:16", param, ctx)
        if min(settings.values()) <= 0:
            self.fail(f"'{value}' must be above 0", param, ctx)
        return settings


def neural_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--neural-lm, --neural-share and --rescore."""
    for option in (
        click.option("--rescore", default=0, metavar="N", help="Score N best hypotheses by it, not the search itself."),
        click.option(
            "--neural-share", type=click.FloatRange(0, 1), help="In the mixture.  [default: as tuned, else 0.5]"
        ),
        click.option(
            "--neural-lm",
            default=AUTO,
            metavar="FOLDER",
            help="LSTM language model: a folder, 'shipped', 'none' (faster), or 'auto': the model's own, unless another"
            " n-gram or lexicon is given.  [default: auto]",
        ),
    ):
        command = option(command)
    return command


def hotword_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--hotword and --hotwords."""
    for option in (
        click.option(
            "--hotwords", "hotword_file", type=click.Path(path_type=Path),
            help="File of such phrases, one a line: PHRASE, or PHRASE<TAB>BOOST.",
        ),
        click.option(
            "--hotword", "hotwords", multiple=True, metavar="PHRASE[=BOOST]",
            help=f"Favour a phrase, by BOOST nats (default {HOTWORD_BOOST:g}); may be repeated.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def extras(
    neural_lm: str, share: float | None, rescore: int, hotwords: Sequence[str] = (), hotword_file: Path | None = None
) -> Extras:
    """What the options ask for. Raises ConfigError or CheckpointError."""
    folder: str | Path | None = neural_lm
    if neural_lm != AUTO:
        folder = None if neural_lm == NO_LM else neural_lm_folder(neural_lm)
    phrases = dict(_phrase(text, "=") for text in hotwords)
    if hotword_file is not None:
        phrases |= dict(_phrase(line, "\t") for line in read_lines(hotword_file) if line.strip())
    return Extras(folder, share, rescore, phrases)


def _phrase(text: str, separator: str) -> tuple[str, float]:
    phrase, found, boost = text.partition(separator)
    try:
        return " ".join(phrase.split()), float(boost) if found else HOTWORD_BOOST
    except ValueError:
        raise ConfigError(f"hotword '{text}': its boost must be a number of nats, such as 3.") from None
