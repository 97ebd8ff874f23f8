"""`asr lm convert`: an n-gram model in another form; and how commands write such a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr.cli.console import note, report
from asr.cli.lm.decimals_option import DECIMALS
from asr.cli.shared_options import check_output, json_option, quiet_option
from asr.errors import ConfigError

if TYPE_CHECKING:
    from asr.lm.ngram.arpa import StoredModel


@click.command("convert", short_help="Write an n-gram model in another form.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write: .arpa for other toolkits, or .ngrams, which is smaller; packed as .gz, .bz2 or .xz.",
)
@DECIMALS
@json_option()
@quiet_option
def convert(model: Path, output: Path, decimals: int | None, as_json: bool) -> None:
    """Write the n-gram model in MODEL, an ARPA file or one in columns (.ngrams), in the form that OUTPUT names.

    \b
    Examples: asr lm convert lm.arpa.gz --output lm.ngrams.xz
              asr lm convert lm.ngrams.xz --output lm.arpa
    """
    from asr.lm.ngram.files import read_ngrams

    if model.is_dir():
        raise ConfigError(f"{model} is a folder, of an LSTM it seems; only n-gram models have other forms.")
    check_output(output, model)
    note("reading …")
    write_and_report(output, read_ngrams(model), decimals, as_json)


def write_and_report(output: Path, model: StoredModel, decimals: int | None, as_json: bool) -> None:
    """Write an n-gram model, and print how many n-grams and bytes it has."""
    from asr.lm.ngram.files import write_ngrams

    note("writing …")
    write_ngrams(output, model, decimals)
    counts, size = [len(grams) for grams in model.grams], output.stat().st_size
    text = f"{output}: {' / '.join(f'{count:,}' for count in counts)} n-grams, {size / 1e6:.1f} MB"
    report(text, as_json, output=output, ngrams=counts, bytes=size)
