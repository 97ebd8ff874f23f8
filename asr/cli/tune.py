"""`asr tune`: find the weights of language model and words on a dev set."""

from __future__ import annotations

import json
from pathlib import Path

import click

from asr.atomic_file import write_atomically
from asr.cli.console import Progress, list_bad, note
from asr.errors import ConfigError
from asr.recognizer.bulk import compute_log_probs, read_log_probs
from asr.recognizer.decoding import make_decoder
from asr.recognizer.tuning import Trial, tune
from asr.score.report import render, render_test
from asr.score.text_files import read_texts
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens


@click.command()
@click.option(
    "--reference", required=True, type=click.Path(path_type=Path), help="What was said: manifest, 'ID text' or .trn."
)
@click.option("--log-probs", "stored", type=click.Path(path_type=Path), help=".npz from `asr decode --save-log-probs`.")
@click.option("--tokens", "tokens_path", type=click.Path(path_type=Path), help="tokens.txt of --log-probs.")
@click.option("--model", help="Instead of --log-probs: model to run on --reference, a manifest.")
@click.option(
    "--lexicon", "lexicon_path", type=click.Path(path_type=Path), help="lexicon.txt.  [default: the model's own]"
)
@click.option("--lm", required=True, help="ARPA language model.")
@click.option("--beam-size", default=50, show_default=True, type=click.IntRange(min=1))
@click.option("--trials", default=20, show_default=True, type=click.IntRange(min=1), help="Settings to try.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--limit", default=0, help="Only the first N utterances by id.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write the best settings as JSON, for `asr checkpoint pack`."
)
def command(
    reference: Path, stored: Path | None, tokens_path: Path | None, model: str | None,
    lexicon_path: Path | None, lm: str, beam_size: int, trials: int, threads: int, limit: int, output: Path | None,
) -> None:  # fmt: skip
    """Find lm_weight and word_score with the lowest word error rate on a dev set; the acoustic model runs once.

    \b
    Example: asr tune --model exp/model --reference dev.jsonl --lm lm.arpa.gz --output tuned.json
    """
    if (stored is None) == (model is None):
        raise ConfigError("give either --log-probs with --tokens, or --model with a manifest as --reference.")
    lexicon = Lexicon.later(lexicon_path) if lexicon_path else None
    if stored is not None:
        if tokens_path is None:
            raise ConfigError("--log-probs needs --tokens, the file that names its columns.")
        log_probs, tokens = read_log_probs(stored, limit), Tokens.read(tokens_path)
    else:
        progress = Progress("acoustic model")
        log_probs, bad, backend = compute_log_probs(model, reference, limit=limit, progress=progress)
        progress.close()
        list_bad(bad)
        tokens = backend.checkpoint.tokens
        lexicon = lexicon or backend.checkpoint.lexicon
    decoder = make_decoder(tokens, lexicon, lm, {"beam_size": beam_size}, note)
    found = tune(decoder, log_probs, read_texts(reference), trials, threads, report=_show)
    click.echo(f"best: lm_weight {found.best.lm_weight}, word_score {found.best.word_score}, beam_size {beam_size}")
    click.echo(render(found.score, worst=0))
    click.echo(render_test(found.test, "no language model", "this language model"))
    if found.test.difference >= 0:
        note("warning: the language model does not help on this set; check its text, its case, and its vocabulary")
    if output is not None:
        best = {"lm_weight": found.best.lm_weight, "word_score": found.best.word_score, "beam_size": beam_size}
        write_atomically(output, (json.dumps(best) + "\n").encode())


def _show(trial: Trial) -> None:
    note(f"lm_weight {trial.lm_weight:6.3f}  word_score {trial.word_score:6.3f}  WER {trial.wer:.2%}")
