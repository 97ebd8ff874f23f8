"""`asr lm`: make language models."""

from __future__ import annotations

from pathlib import Path

import click

from asr.cli.console import TrainingProgress, note
from asr.cli.lm.use import interpolate, pack, sample, score
from asr.config import from_dict, read_toml
from asr.data.manifest import sentences
from asr.errors import ConfigError
from asr.text.lines import read_lines
from asr.text.normalize import CASES
from asr.train.log import EpochLog


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
@click.option("--unseen", is_flag=True, help="Also words of --vocab that TEXT lacks, each as likely as <unk>.")
@click.option(
    "--prune", default="", metavar="'0 C2 C3'", help="For each order, leave out n-grams seen as often or less."
)
@click.option(
    "--threshold",
    default=0.0,
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Leave out n-grams whose absence raises perplexity by less than this share, such as 1e-8.",
)
@click.option("--decimals", type=click.IntRange(1, 9), help="Of the written log10 values; 3 makes small files.")
@click.option("--case", type=click.Choice(list(CASES)), default="lower", show_default=True)
def ngram(
    texts: tuple[Path, ...], order: int, output: Path, vocab: Path | None, unseen: bool, prune: str,
    threshold: float, decimals: int | None, case: str,
) -> None:  # fmt: skip
    """Estimate a modified Kneser-Ney model of TEXT…: a sentence a line; plain, .gz, .bz2, .xz, or manifests."""
    from asr.lm.ngram.arpa import write_arpa
    from asr.lm.ngram.kneser_ney import Corpus, estimate

    try:
        cutoffs = [int(field) for field in prune.replace(",", " ").split()]
    except ValueError:
        raise ConfigError(f"--prune '{prune}' must be whole numbers, one for each order, such as '0 1 2'.") from None
    change = CASES[case]
    if unseen and vocab is None:
        raise ConfigError("--unseen adds the words of --vocab; give that list too.")
    allowed = None if vocab is None else [word for line in read_lines(vocab) for word in change(line).split()]
    note("counting words …")
    corpus = Corpus((change(line) for path in texts for line in sentences(path)), allowed, unseen)
    note(f"{len(corpus.tokens)} tokens, {len(corpus.ids)} words; estimating …")
    model = estimate(corpus, order, cutoffs, note, threshold)
    write_arpa(output, model, decimals)
    shown = " / ".join(f"{len(grams):,}" for grams in model.grams)
    note(f"{output}: {shown} n-grams, {output.stat().st_size / 1e6:.1f} MB")


@command.command("train")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--config", "config_path", required=True, type=click.Path(path_type=Path), help="Configuration (TOML).")
@click.option("--dev", required=True, type=click.Path(path_type=Path), help="Text to validate on.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@click.option("--resume", is_flag=True, help="Go on with the run that OUTPUT holds; begin if it holds none.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key, such as train.epochs=5.")
def train(
    texts: tuple[Path, ...], config_path: Path, dev: Path, output: Path, resume: bool, overrides: tuple[str, ...]
) -> None:
    """Train an LSTM language model on TEXT…: a sentence a line; plain, .gz, .bz2, .xz, or manifests.

    A run may be killed at any moment: --resume takes it up at its last checkpoint and ends with the same weights.

    \b
    Example: asr lm train text.txt.gz --dev heldout.txt --config conf/lstm.toml --output lm
    """
    from asr.lm.lstm.run import LmRun, LmRunConfig

    config = from_dict(LmRunConfig, read_toml(config_path, overrides))
    note("reading the texts …")
    run = LmRun(config, list(texts), dev, output)
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    note(f"training {parameters / 1e6:.2f} M parameters on {run.trained_words:,} words, {len(run.words):,} known")
    progress = TrainingProgress(_epoch_line)
    final = run.train(resume, progress)
    progress.close()
    note(f"{output}: {final.weights}, perplexity {final.figures['perplexity']:.2f}")


def _epoch_line(entry: EpochLog) -> str:
    perplexity = f", perplexity {entry.figures['perplexity']:.1f}" if entry.figures else ""
    return f"loss {entry.loss:.4f}{perplexity}, {entry.speed}"


for other in (score, interpolate, sample, pack):
    command.add_command(other)
