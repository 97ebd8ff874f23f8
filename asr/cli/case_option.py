"""The option `--case` of the commands that read texts."""

from __future__ import annotations

import click

from asr.text.normalize import CASES

CASE = click.option(
    "--case",
    type=click.Choice(list(CASES)),
    default="lower",
    show_default=True,
    help="Change the case of the texts, or keep it.",
)
