"""`asr lm`: the group, and `ngram` and `train`, which make language models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr.cli.case_option import CASE
from asr.cli.console import Steps, TrainingProgress, note, note_resumed, report
from asr.cli.lm.convert import convert, write_and_report
from asr.cli.lm.decimals_option import DECIMALS
from asr.cli.lm.text import text
from asr.cli.lm.use import interpolate, pack, sample, score
from asr.cli.shared_options import check_output, json_option, processes_option, quiet_option, training_options
from asr.data.manifest import sentences
from asr.errors import ConfigError
from asr.text.lines import read_lines
from asr.text.normalize import CASES
from asr.train.log import EpochLog

if TYPE_CHECKING:
    from asr.lm.lstm.run import LmRunConfig


@click.group()
def command() -> None:
    """Train, evaluate, combine and pack language models.

    \b
    Example: asr lm ngram text.txt.gz --order 3 --output lm.arpa.gz
    """


@command.command("ngram", short_help="Estimate a Kneser-Ney n-gram model.")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--order", default=3, show_default=True, type=click.IntRange(1, 5), help="Number of words in the longest n-grams."
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write: ARPA, or .ngrams, which is smaller; packed as .gz, .bz2 or .xz.",
)
@click.option(
    "--vocab", type=click.Path(path_type=Path), help="Word list; other words become <unk>.  [default: all words]"
)
@click.option("--unseen", is_flag=True, help="Include words of --vocab that TEXTS lack, each as probable as <unk>.")
@click.option(
    "--prune",
    default="",
    metavar="'0 C2 C3'",
    help="For each order, leave out n-grams that occur no more often than this.",
)
@click.option(
    "--threshold",
    default=0.0,
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Leave out n-grams without which perplexity rises by less than this share, such as 1e-8.",
)
@click.option(
    "--memory", default="4G", show_default=True, metavar="SIZE", help="Approximate memory to use; the rest is on disk."
)
@click.option(
    "--temporary",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder for temporary files, about 60 bytes for each word of TEXTS.  [default: the system's]",
)
@DECIMALS
@CASE
@json_option()
@quiet_option
def ngram(
    texts: tuple[Path, ...], order: int, output: Path, vocab: Path | None, unseen: bool, prune: str,
    threshold: float, memory: str, temporary: Path | None, decimals: int | None, case: str, as_json: bool,
) -> None:  # fmt: skip
    """Estimate an n-gram model of TEXTS by interpolated modified Kneser-Ney smoothing.

    Texts have one sentence a line (plain, .gz, .bz2, .xz), or are manifests (.jsonl). They may be larger than the
    memory: n-grams are sorted and counted on disk.

    \b
    Example: asr lm ngram text.txt.gz --order 3 --prune '0 0 1' --output lm.arpa.gz
    """
    from asr.lm.ngram.disk_arrays import Workspace
    from asr.lm.ngram.kneser_ney import Corpus, estimate_on_disk

    try:
        cutoffs = [int(field) for field in prune.replace(",", " ").split()]
    except ValueError:
        raise ConfigError(f"--prune '{prune}' must be whole numbers, one for each order, such as '0 1 2'.") from None
    check_output(output, *texts, vocab)
    change = CASES[case]
    if unseen and vocab is None:
        raise ConfigError("--unseen needs the word list of --vocab.")
    allowed = None if vocab is None else [word for line in read_lines(vocab) for word in change(line).split()]
    note("reading words …")
    lines = (change(line) for path in texts for line in sentences(path))
    corpus = Corpus(lines, allowed, unseen, Workspace(_bytes(memory), temporary))
    note(f"{len(corpus.tokens):,} tokens, {len(corpus.ids):,} words; estimating …")
    steps = Steps()
    model = estimate_on_disk(corpus, order, cutoffs, note, threshold, steps)
    steps.close()
    write_and_report(output, model, decimals, as_json)


def _bytes(size: str) -> int:
    """Bytes of a size such as 500M or 4G. Raises ConfigError for another text."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", size.strip().upper())
    if not match or float(match[1]) == 0:
        raise ConfigError(f"--memory '{size}' must be a size such as 500M or 4G.")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2] or " "))


def _config_class() -> type:
    from asr.lm.lstm.run import LmRunConfig

    return LmRunConfig


@command.command("train", short_help="Train an LSTM language model.")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dev", required=True, type=click.Path(path_type=Path), help="Text for validation.")
@processes_option
@training_options(_config_class)
def train(
    texts: tuple[Path, ...], config_path: Path | None, dev: Path, output: Path, resume: bool, count: int,
    overrides: list[str], as_json: bool,
) -> None:  # fmt: skip
    """Train an LSTM language model on TEXTS.

    Texts have one sentence a line (plain, .gz, .bz2, .xz), or are manifests (.jsonl). A run may be killed at any time:
    --resume continues from its last checkpoint and ends with the same weights.

    \b
    Example: asr lm train text.txt.gz --dev heldout.txt --output lm
    """
    from asr.config import configured
    from asr.lm.lstm.run import LmRun, LmRunConfig
    from asr.train.processes import helpers, rank

    config = configured(LmRunConfig, config_path, overrides)
    with helpers(count):
        if rank() > 0:  # the first process speaks for all
            LmRun(config, list(texts), dev, output).train(resume)
        else:
            _train(config, list(texts), dev, output, resume, as_json)


def _train(config: LmRunConfig, texts: list[Path], dev: Path, output: Path, resume: bool, as_json: bool) -> None:
    from asr.lm.lstm.run import LmRun

    note("reading the texts …")
    run = LmRun(config, texts, dev, output)
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    note(f"training {parameters / 1e6:.2f} M parameters on {run.trained_words:,} words; vocabulary {len(run.words):,}")
    if resume:
        note_resumed(output, config.train)
    progress = TrainingProgress(_epoch_line)
    final = run.train(resume, progress)
    progress.close()
    text = f"{output}: {final.weights}, perplexity {final.figures['perplexity']:.2f}"
    report(text, as_json, output=output, weights=final.weights, **final.figures)


def _epoch_line(entry: EpochLog) -> str:
    perplexity = f", perplexity {entry.figures['perplexity']:.1f}" if entry.figures else ""
    return f"loss {entry.loss:.4f}{perplexity}, {entry.speed}"


for other in (text, score, interpolate, convert, sample, pack):
    command.add_command(other)
