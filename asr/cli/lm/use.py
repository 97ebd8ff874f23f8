"""`asr lm score|interpolate|sample|pack`: what language models say of texts, and what they write."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from asr.atomic_file import write_atomically
from asr.cli.console import Progress, note
from asr.data.manifest import sentences
from asr.errors import ConfigError
from asr.text.normalize import CASES

CASE = click.option("--case", type=click.Choice(list(CASES)), default="lower", show_default=True)


@click.command("score")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("text", type=click.Path(path_type=Path))
@click.option("--with", "others", multiple=True, metavar="MODEL", help="Mix with this model; may be repeated.")
@click.option("--weights", metavar="W1,W2,...", help="Of MODEL and the others.  [default: equal]")
@click.option("--words", "per_word", is_flag=True, help="Print each word with its ln P.")
@click.option("--running", is_flag=True, help="Lines follow each other: each is scored after all before it (an LSTM).")
@click.option(
    "--cache", default=0, type=click.IntRange(0), metavar="N", help="With --running: cache of the last N words."
)
@click.option(
    "--cache-dev", type=click.Path(path_type=Path), help="Text on which the cache's flatness and share are found."
)
@click.option("--json", "as_json", is_flag=True)
@CASE
def score(
    model: Path, text: Path, others: tuple[str, ...], weights: str | None, per_word: bool, running: bool, cache: int,
    cache_dev: Path | None, as_json: bool, case: str,
) -> None:  # fmt: skip
    """Perplexity of TEXT under MODEL: an LSTM's folder, an ARPA file, or a KenLM binary.

    The end of every sentence is counted as a word. Perplexity is given with unknown words at the model's price for
    them, and without them.

    \b
    Example: asr lm score lm.arpa.gz heldout.txt
    """
    from asr.lm.mixture import mixture_log_probs

    if running:
        if others or weights:
            raise ConfigError("--running scores with one LSTM alone: leave --with and --weights out.")
        words, known, mixed, cached = _running_log_probs(model, text, case, cache, cache_dev)
    elif cache or cache_dev:
        raise ConfigError("a cache needs running text: add --running.")
    else:
        paths = [model, *map(Path, others)]
        shares = _weights(weights, len(paths))
        words, known, log_probs = _log_probs(paths, text, case)
        mixed, cached = mixture_log_probs(log_probs, shares), {}
    if per_word:
        for word, value in zip(words, mixed.tolist(), strict=True):
            click.echo(f"{value:.4f}\t{word}")
    figures = _figures(words, known, mixed) | cached
    if as_json:
        click.echo(json.dumps(figures))
    elif not per_word:
        click.echo(_shown(figures))


@click.command("interpolate")
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dev", type=click.Path(path_type=Path), help="Text to find the weights on.")
@click.option("--weights", help="Weights to use instead, such as 0.7,0.3.")
@click.option("--output", type=click.Path(path_type=Path), help="Write n-gram models as one (.arpa or .arpa.gz).")
@click.option("--json", "as_json", is_flag=True)
@CASE
def interpolate(
    models: tuple[Path, ...], dev: Path | None, weights: str | None, output: Path | None, as_json: bool, case: str
) -> None:
    """Weights under which the models together give the dev text the lowest perplexity, by EM; and one model of them.

    \b
    Examples: asr lm interpolate lm.arpa.gz lstm/ --dev dev.txt
              asr lm interpolate prose.arpa.gz letters.arpa.gz --dev dev.txt --output both.arpa.gz
    """
    from asr.lm.mixture import mixture_log_probs, mixture_weights

    if (dev is None) == (weights is None):
        raise click.UsageError("name a --dev text to find the weights on, or --weights.")
    figures: dict[str, Any] = {}
    if dev is not None:
        words, known, log_probs = _log_probs(list(models), dev, case)
        shares = mixture_weights(log_probs)
        figures = _figures(words, known, mixture_log_probs(log_probs, shares))
        figures["alone"] = [_figures(words, known, row)["perplexity"] for row in log_probs]
    else:
        shares = _weights(weights, len(models))
    figures["weights"] = [round(value, 4) for value in shares.tolist()]
    if output is not None:
        _write_merged(models, shares, output)
    if as_json:
        click.echo(json.dumps(figures))
    elif dev is not None:
        for path, weight, alone in zip(models, figures["weights"], figures["alone"], strict=True):
            click.echo(f"{weight:.4f}  {path} (alone: perplexity {alone})")
        click.echo(_shown(figures))


def _write_merged(paths: tuple[Path, ...], weights: Any, output: Path) -> None:
    from asr.lm.ngram.arpa import read_arpa, write_arpa
    from asr.lm.ngram.merging import merge

    if folders := [str(path) for path in paths if path.is_dir()]:
        raise ConfigError(f"--output merges n-gram models; {folders[0]} is a folder: weigh it in the search instead.")
    merged = merge([read_arpa(path) for path in paths], weights.tolist())
    write_arpa(output, merged)
    note(f"{output}: {' / '.join(f'{len(grams):,}' for grams in merged.grams)} n-grams")


@click.command("sample")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--sentences", "count", default=5, show_default=True, type=click.IntRange(1))
@click.option("--temperature", default=1.0, show_default=True, type=click.FloatRange(0.01, 10.0))
@click.option("--seed", default=1, show_default=True)
@click.option("--max-words", default=50, show_default=True, type=click.IntRange(1))
def sample(model: Path, count: int, temperature: float, seed: int, max_words: int) -> None:
    """Sentences drawn from an LSTM language model.

    \b
    Example: asr lm sample lstm/ --sentences 3 --temperature 0.8
    """
    from asr.lm.lstm.folder import load_lm
    from asr.lm.lstm.scorer import LstmScorer
    from asr.text.lm_units import WORD_END

    folder = load_lm(model)
    scorer = LstmScorer(folder)
    random = np.random.default_rng(seed)
    for _ in range(count):
        drawn = scorer.draw(random, temperature, max_words)
        click.echo(" ".join(drawn) if folder.units is None else "".join(drawn).replace(WORD_END, " ").strip())


@click.command("pack")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--bits", type=click.Choice(["8", "16", "32"]), default="8", show_default=True, help="Of a weight.")
@click.option("--card", type=click.Path(path_type=Path, exists=True), help="README.md for the folder.")
def pack(folder: Path, output: Path, bits: str, card: Path | None) -> None:
    """Write an LSTM language model small: 8 bits a weight with a scale for each row of a matrix, or 16.

    \b
    Example: asr lm pack exp/lstm --output lstm-small
    """
    from asr.lm.lstm.folder import load_lm, save_lm

    found = load_lm(folder)
    save_lm(output, found.arrays, found.config, found.words, int(bits), found.units)
    if card is not None:
        write_atomically(output / "README.md", card.read_bytes())
    size = sum(path.stat().st_size for path in output.iterdir() if path.is_file())
    note(f"{output}: {size / 1e6:.2f} MB")


def _weights(text: str | None, count: int) -> Any:
    if text is None:
        return np.full(count, 1 / count)
    try:
        values = np.array([float(field) for field in text.split(",")])
    except ValueError:
        raise ConfigError(f"--weights '{text}' must be numbers with commas between them.") from None
    if len(values) != count or (values < 0).any() or not 0.999 < values.sum() < 1.001:
        raise ConfigError(f"--weights '{text}' must be {count} numbers of 0 or more that sum to 1, one for each model.")
    return values / values.sum()


def _log_probs(paths: list[Path], text: Path, case: str) -> tuple[list[str], Any, Any]:
    """Words (ends too), whether all models know each, and their ln P (models, words)."""
    from asr.lm.open import load_word_model
    from asr.lm.word_model import END, text_scores

    rows: list[Any] = []
    words: list[str] = []
    known: Any = None
    for path in paths:
        model = load_word_model(path, score_unknown=True)
        progress, parts, words = Progress(f"scoring with {path.name}"), [], []
        lines = [CASES[case](line) for line in sentences(text)]
        for number, (sentence, values) in enumerate(text_scores(model, iter(lines)), 1):
            words += [*sentence, END]
            parts.append(values)
            progress(number, len(lines))
        progress.close()
        rows.append(np.concatenate(parts))
        here = np.array([word == END or model.knows(word) for word in words])
        known = here if known is None else known & here
    return words, known, np.stack(rows)


def _running_log_probs(
    model: Path, text: Path, case: str, cache: int, cache_dev: Path | None
) -> tuple[list[str], Any, Any, dict[str, Any]]:
    """Words, whether each is known, their ln P, and what the cache is like."""
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
    found = scorer.log_probs(ids, settings, progress)
    progress.close()
    shown = {"cache": asdict(settings)} if settings else {}
    return [scorer.words[index] for index in ids[1:]], ~scorer.unknown(ids), found, shown


def _figures(words: list[str], known: Any, log_probs: Any) -> dict[str, Any]:
    from asr.lm.word_model import END

    ends = sum(word == END for word in words)
    priced = np.isfinite(log_probs)
    return {
        "perplexity": round(math.exp(-log_probs[priced].mean()), 2),
        "perplexity_known": round(math.exp(-log_probs[known].mean()), 2),
        "words": len(words) - ends,
        "sentences": ends,
        "unknown": int((~known).sum()),
        "log_prob": round(float(log_probs[priced].sum()), 3),
    }


def _shown(figures: dict[str, Any]) -> str:
    share = figures["unknown"] / max(1, figures["words"])
    return (
        f"perplexity {figures['perplexity']} ({figures['perplexity_known']} without unknown words); "
        f"{figures['words']:,} words and {figures['sentences']:,} ends of sentences counted, "
        f"{figures['unknown']:,} words unknown ({share:.2%})"
    )
