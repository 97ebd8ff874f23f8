"""`asr lm score|interpolate|sample|pack`: evaluate, combine, sample and pack language models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from asr.atomic_file import write_atomically
from asr.cli.case_option import CASE
from asr.cli.console import Progress, note, report
from asr.cli.lm.decimals_option import DECIMALS
from asr.cli.shared_options import check_output, json_option, quiet_option, weights_of
from asr.data.manifest import sentences
from asr.errors import ConfigError, TextError
from asr.score.perplexity import TextScore, render, score_text
from asr.text.normalize import CASES

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@click.command("score", short_help="Print the perplexity of a text.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("text", type=click.Path(path_type=Path))
@click.option("--with", "others", multiple=True, metavar="MODEL", help="Mix with this model; may be repeated.")
@click.option("--weights", metavar="W1,W2,...", help="Weights of MODEL and of each --with.  [default: equal]")
@click.option("--words", "per_word", is_flag=True, help="Print the ln P of each word, with --json as `scores`.")
@click.option("--running", is_flag=True, help="Score each line after all lines before it (LSTM only).")
@click.option(
    "--cache",
    default=0,
    type=click.IntRange(0),
    metavar="N",
    help="With --running: add a continuous cache of the last N words.",
)
@click.option(
    "--cache-dev", type=click.Path(path_type=Path), help="Text to tune the flatness and the share of the cache on."
)
@json_option()
@CASE
@quiet_option
def score(
    model: Path, text: Path, others: tuple[str, ...], weights: str | None, per_word: bool, running: bool, cache: int,
    cache_dev: Path | None, as_json: bool, case: str,
) -> None:  # fmt: skip
    """Print the perplexity of TEXT under MODEL: the folder of an LSTM, an n-gram model, or a KenLM binary.

    The end of every sentence counts as a word. Perplexity is printed both with and without unknown words.

    \b
    Example: asr lm score lm.arpa.gz heldout.txt
    """
    from asr.lm.mixture import mixture_log_probs, of_known_words

    if running:
        if others or weights:
            raise ConfigError("--running scores with one LSTM alone: leave --with and --weights out.")
        words, known, mixed, cached = _running_log_probs(model, text, case, cache, cache_dev)
    elif cache or cache_dev:
        raise ConfigError("a cache needs running text: add --running.")
    else:
        paths = [model, *map(Path, others)]
        shares = np.array(weights_of(weights, len(paths)))
        words, knows, log_probs = _log_probs(paths, text, case)
        known, cached = np.logical_and.reduce(knows), {}
        mixed = mixture_log_probs(of_known_words(log_probs, knows & (shares > 0)[:, None]), shares)
    figures = _score(words, known, mixed)
    pairs = list(zip(words, mixed.tolist(), strict=True)) if per_word else []
    if as_json:
        scores = [[word, round(value, 4) if np.isfinite(value) else None] for word, value in pairs]
        click.echo(json.dumps(asdict(figures) | cached | ({"scores": scores} if per_word else {})))
    elif per_word:
        click.echo("".join(f"{value:.4f}\t{word}\n" for word, value in pairs), nl=False)
    else:
        click.echo(render(figures))


@click.command("interpolate", short_help="Tune the weights of several models; merge n-gram models.")
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dev", type=click.Path(path_type=Path), help="Text to tune the weights on.")
@click.option("--weights", help="Weights to use instead, such as 0.7,0.3.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Merged n-gram model to write (.arpa or .ngrams; packed: .gz, .bz2, .xz).",
)
@click.option(
    "--threshold",
    default=0.0,
    metavar="SHARE",
    type=click.FloatRange(0, 1),
    help="Leave out n-grams of the merged model without which perplexity rises by less than this share, such as 1e-8.",
)
@click.option(
    "--text",
    "texts",
    multiple=True,
    type=click.Path(path_type=Path),
    help="For --threshold: the text that a model was estimated from; one for each of MODELS, in their order.",
)
@DECIMALS
@json_option()
@CASE
@quiet_option
def interpolate(
    models: tuple[Path, ...], dev: Path | None, weights: str | None, output: Path | None, threshold: float,
    texts: tuple[Path, ...], decimals: int | None, as_json: bool, case: str,
) -> None:  # fmt: skip
    """Find the weights with which MODELS together give a text the lowest perplexity, and merge n-gram models.

    The weights are found by expectation-maximisation on the text of --dev. A word that one model lacks and another one
    has is impossible in the first.

    \b
    Examples: asr lm interpolate lm.arpa.gz lstm/ --dev dev.txt
              asr lm interpolate prose.arpa.gz letters.arpa.gz --dev dev.txt --output both.arpa.gz
             asr lm interpolate a.arpa b.arpa --weights .8,.2 --threshold 1e-8 --text a.txt --text b.txt --output c.arpa
    """
    from asr.lm.mixture import mixture_log_probs, mixture_weights, of_known_words

    if (dev is None) == (weights is None):
        raise click.UsageError("name either a --dev text to tune the weights on, or --weights.")
    if bool(texts) != bool(threshold):
        raise click.UsageError("--threshold needs the --text of every model, and nothing else does.")
    if texts and len(texts) != len(models):
        raise click.UsageError(
            f"--text must be given once for each of the {len(models)} models, not {len(texts)} times."
        )
    if output is None and (threshold or decimals is not None):
        raise click.UsageError("--threshold and --decimals are of the merged model: name its file with --output.")
    if missing := [text for text in texts if not text.is_file()]:
        raise TextError(f"{missing[0]} does not exist; check the path.")
    check_output(output, *models, *texts, dev)
    result: dict[str, Any] = {}
    figures = None
    if dev is not None:
        words, knows, log_probs = _log_probs(list(models), dev, case)
        possible, known = of_known_words(log_probs, knows), np.logical_and.reduce(knows)
        shares = mixture_weights(possible)
        figures = _score(words, known, mixture_log_probs(possible, shares))
        result = asdict(figures) | {"alone": [_score(words, known, row).perplexity for row in log_probs]}
    else:
        shares = np.array(weights_of(weights, len(models)))
    result["weights"] = [round(value, 4) for value in shares.tolist()]
    if output is not None:
        spoken = [map(CASES[case], sentences(text)) for text in texts]
        _write_merged(models, shares, output, threshold, spoken, decimals)
    if as_json:
        click.echo(json.dumps(result))
    elif figures is not None:
        for path, weight, alone in zip(models, result["weights"], result["alone"], strict=True):
            click.echo(f"{weight:.4f}  {path} (alone: perplexity {alone})")
        click.echo(render(figures))


def _write_merged(
    paths: tuple[Path, ...], weights: Floats, output: Path, threshold: float, texts: Sequence[Iterable[str]],
    decimals: int | None,
) -> None:  # fmt: skip
    from asr.lm.ngram.files import read_ngrams, write_ngrams
    from asr.lm.ngram.merging import merge

    if folders := [str(path) for path in paths if path.is_dir()]:
        raise ConfigError(f"--output merges n-gram models; {folders[0]} is a folder: use it in the search instead.")
    merged = merge([read_ngrams(path) for path in paths], weights.tolist(), threshold, texts)
    write_ngrams(output, merged, decimals)
    note(f"{output}: {' / '.join(f'{len(grams):,}' for grams in merged.grams)} n-grams")


@click.command("sample", short_help="Print sentences drawn from a language model.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--sentences", "count", default=5, show_default=True, type=click.IntRange(1), help="Number of sentences.")
@click.option(
    "--temperature",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.01, 10.0),
    help="Below 1: more probable words; above 1: more surprising ones.",
)
@click.option(
    "--top-k",
    default=0,
    type=click.IntRange(0),
    metavar="N",
    help="Draw from the N most probable words.  [default: all]",
)
@click.option(
    "--top-p",
    default=1.0,
    type=click.FloatRange(0, 1, min_open=True),
    metavar="P",
    help="Draw from the most probable words that have the probability P together.  [default: all]",
)
@click.option("--seed", default=1, show_default=True, help="Seed of the random choice.")
@click.option(
    "--max-words", default=50, show_default=True, type=click.IntRange(1), help="Words after which a sentence is cut."
)
@json_option("Print a JSON object for each sentence.")
@quiet_option
def sample(
    model: Path, count: int, temperature: float, top_k: int, top_p: float, seed: int, max_words: int, as_json: bool
) -> None:
    """Print sentences drawn from MODEL: the folder of an LSTM, or an n-gram model.

    The options apply in the order --temperature, --top-k, --top-p. --top-k 1 always takes the most probable word. A
    model of characters or subwords draws those: N counts them, and P is of them.

    \b
    Examples: asr lm sample lstm/ --sentences 3 --temperature 0.8
              asr lm sample lm.arpa.gz --top-p 0.9
    """
    from asr.lm.sampling import Sampling, load_sampler

    sampler = load_sampler(model, Sampling(temperature, top_k, top_p, max_words), seed)
    for _ in range(count):
        text = sampler.draw()
        click.echo(json.dumps({"text": text}, ensure_ascii=False) if as_json else text)


@click.command("pack", short_help="Write an LSTM language model with fewer bits.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--bits", type=click.Choice(["8", "16", "32"]), default="8", show_default=True, help="Bits of each weight."
)
@click.option("--card", type=click.Path(path_type=Path, exists=True), help="Model card to add as README.md.")
@json_option()
@quiet_option
def pack(folder: Path, output: Path, bits: str, card: Path | None, as_json: bool) -> None:
    """Write the LSTM language model in FOLDER with fewer bits: 8 with a scale for each row of a matrix, or 16.

    \b
    Example: asr lm pack exp/lstm --output lstm-small
    """
    from asr.lm.lstm.folder import load_lm, save_lm

    check_output(output, folder)
    model = load_lm(folder)
    save_lm(output, model.arrays, model.config, model.words, int(bits), model.units)
    if card is not None:
        write_atomically(output / "README.md", card.read_bytes())
    size = sum(path.stat().st_size for path in output.iterdir() if path.is_file())
    report(f"{output}: {size / 1e6:.2f} MB", as_json, output=output, bytes=size)


def _log_probs(paths: list[Path], text: Path, case: str) -> tuple[list[str], Bools, Floats]:
    """The words and ends of sentences of a text, which models know each, and their ln P, both (models, words)."""
    from asr.lm.open import load_word_model
    from asr.lm.word_model import END, known_words, text_scores

    rows: list[Floats] = []
    words: list[str] = []
    known: list[Bools] = []
    lines = [CASES[case](line) for line in sentences(text)]
    for path in paths:
        model = load_word_model(path, score_unknown=True)
        progress, parts, words = Progress(f"scoring with {path.name}"), [], []
        for number, (sentence, values) in enumerate(text_scores(model, iter(lines)), 1):
            words += [*sentence, END]
            parts.append(values)
            progress(number, len(lines))
        progress.close()
        rows.append(np.concatenate(parts))
        known.append(known_words(model, words))
    return words, np.stack(known), np.stack(rows)


def _running_log_probs(
    model: Path, text: Path, case: str, cache: int, cache_dev: Path | None
) -> tuple[list[str], Bools, Floats, dict[str, Any]]:
    """The words of a running text, whether each is known, their ln P, and the settings of the cache."""
    from asr.lm.lstm.running_scores import CacheSettings, RunningScorer

    scorer, change = RunningScorer(model), CASES[case]
    settings = CacheSettings(cache) if cache else None
    if cache_dev is not None:
        progress = Progress("tuning the cache")
        ids = scorer.ids(change(line) for line in sentences(cache_dev))
        settings = scorer.tune_cache(ids, cache or CacheSettings().size, progress)
        progress.close()
        note(f"cache of {settings.size} words: flatness {settings.flatness:g}, share {settings.share:g}")
    ids = scorer.ids(change(line) for line in sentences(text))
    progress = Progress(f"scoring with {model.name}")
    log_probs = scorer.log_probs(ids, settings, progress)
    progress.close()
    shown = {"cache": asdict(settings)} if settings else {}
    return [scorer.words[index] for index in ids[1:]], ~scorer.unknown(ids), log_probs, shown


def _score(words: list[str], known: Bools, log_probs: Floats) -> TextScore:
    from asr.lm.word_model import END

    return score_text(log_probs, known, sum(word == END for word in words))
