"""The option `--decimals` of the commands that write n-gram models."""

from __future__ import annotations

import click

DECIMALS = click.option(
    "--decimals",
    type=click.IntRange(1, 9),
    help="Decimals of the log10 values in the file; 2 make it small and lose nothing.  [default: all; .ngrams: 2]",
)
