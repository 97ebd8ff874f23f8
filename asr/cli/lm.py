"""`asr lm`: make language models."""

from __future__ import annotations

from pathlib import Path

import click

from asr.cli.console import note
from asr.data.manifest import sentences
from asr.errors import ConfigError
from asr.text.lines import read_lines
from asr.text.normalize import CASES


@click.group()
def command() -> None:
    """Make language models.

    \b
    Example: asr lm ngram text.txt.gz --order 3 --output lm.arpa.gz
    """


@command.command("ngram")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--order", default=3, show_default=True, type=click.IntRange(1, 5), help="Words in the longest n-grams.")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="ARPA file to write (.arpa or .arpa.gz)."
)
@click.option(
    "--vocab", type=click.Path(path_type=Path), help="Word list; other words become <unk>.  [default: all words]"
)
@click.option(
    "--prune", default="", metavar="'0 C2 C3'", help="For each order, leave out n-grams seen as often or less."
)
@click.option("--case", type=click.Choice(list(CASES)), default="lower", show_default=True)
def ngram(texts: tuple[Path, ...], order: int, output: Path, vocab: Path | None, prune: str, case: str) -> None:
    """Estimate a modified Kneser-Ney model of TEXT…: a sentence a line; plain, .gz, .bz2, .xz, or manifests."""
    from asr.lm.arpa import write_arpa
    from asr.lm.kneser_ney import Corpus, estimate

    try:
        cutoffs = [int(field) for field in prune.replace(",", " ").split()]
    except ValueError:
        raise ConfigError(f"--prune '{prune}' must be whole numbers, one for each order, such as '0 1 2'.") from None
    change = CASES[case]
    allowed = None if vocab is None else [change(line.strip()) for line in read_lines(vocab)]
    note("counting words …")
    corpus = Corpus((change(line) for path in texts for line in sentences(path)), allowed)
    note(f"{len(corpus.tokens)} tokens, {len(corpus.ids)} words; estimating …")
    model = estimate(corpus, order, cutoffs, note)
    write_arpa(output, model)
    shown = " / ".join(f"{len(grams):,}" for grams in model.grams)
    note(f"{output}: {shown} n-grams, {output.stat().st_size / 1e6:.1f} MB")
