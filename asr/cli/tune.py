"""`asr tune`: find the weights of language model and words on a dev set."""

from __future__ import annotations

import json
from pathlib import Path

import click

from asr.atomic_file import write_atomically
from asr.cli.console import Progress, list_bad, note
from asr.cli.search_options import BeamWidth, beam_threshold_option
from asr.decode.decoder import Decoder
from asr.decode.fusion import Fusion
from asr.decode.preflight import reference_findings
from asr.errors import ConfigError
from asr.recognizer.bulk import compute_log_probs, read_log_probs
from asr.recognizer.decoding import NO_LM, load_neural_lm, make_decoder, search_settings
from asr.recognizer.shipped import neural_lm_folder
from asr.recognizer.tuning import Trial, Tuner, Tuning
from asr.score.report import compare, render, render_test
from asr.score.text_files import read_texts
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

RESCORED = 100  # hypotheses of each utterance


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
@beam_threshold_option
@click.option("--trials", default=8, show_default=True, type=click.IntRange(min=1), help="Settings to try at most.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--limit", default=0, help="Only the first N utterances by id.")
@click.option("--beams", default="10,25,50,100,200", show_default=True, help="Beam sizes to try with the best weights.")
@click.option(
    "--neural-lm", default=NO_LM, show_default=True, help="LSTM language model: a folder, 'shipped' or 'none'."
)
@click.option(
    "--final-beam",
    type=BeamWidth(),
    help="Beam, and nats below the best at which it ends, of the search that will be used: written with the weights,"
    " and what word confidences are fitted to.  [default: as tuned at]",
)
@click.option("--final-neural-beam", type=BeamWidth(), help="With the neural language model.  [default: --final-beam]")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write the best settings as JSON, for `asr checkpoint pack`."
)
def command(
    reference: Path, stored: Path | None, tokens_path: Path | None, model: str | None,
    lexicon_path: Path | None, lm: str, beam_size: int, beam_threshold: float | None, trials: int, threads: int,
    limit: int, beams: str, neural_lm: str, final_beam: dict[str, float] | None,
    final_neural_beam: dict[str, float] | None, output: Path | None,
) -> None:  # fmt: skip
    """Find the search's weights with the lowest word error rate on a dev set; the acoustic model runs once.

    Each search's weights are those by which the best hypotheses of the searches before would have had the fewest errors
    (minimum error rate training); it ends when nothing new would be tried.

    Prints every trial, a paired test of the language model against none, other beam sizes, how well word confidences
    are calibrated, and what a neural language model adds.

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
    search = search_settings({}, {"beam_size": beam_size, "threshold": beam_threshold})
    decoder = make_decoder(tokens, lexicon, lm, search, note)
    texts = read_texts(reference)
    if decoder.words is not None:  # else the vocabulary is open
        known = None if decoder.lm is None else decoder.lm.ids
        for finding in reference_findings(texts.texts.values(), set(decoder.words), known):
            note(f"warning: {finding}")
    tuner = Tuner(decoder, log_probs, texts, threads, _show)
    found = tuner.weights(trials)
    _print_surface(found.trials)
    best: dict[str, float] = {"lm_weight": found.best.lm_weight, "word_score": found.best.word_score}
    click.echo(f"best: lm_weight {found.best.lm_weight}, word_score {found.best.word_score}, beam_size {beam_size}")
    click.echo(render(found.score, worst=0))
    click.echo(render_test(found.test, "no language model", "this language model"))
    if found.test.difference >= 0:
        note("warning: the language model does not help on this set; check its text, its case, and its vocabulary")
    for trial in tuner.beams(found.best, [int(size) for size in beams.split(",") if size]):
        click.echo(f"beam_size {trial.beam_size:4d}: WER {trial.wer:.2%}, {trial.seconds:.1f} s")
    search |= final_beam or {}
    best |= search | _calibrated(tuner, tuner.with_weights(found.best).with_settings(**search))
    if neural_lm != NO_LM:
        best |= _tune_neural(tuner, found, neural_lm, final_neural_beam or final_beam or {})
    if output is not None:
        write_atomically(output, (json.dumps(best) + "\n").encode())


def _tune_neural(tuner: Tuner, found: Tuning, name: str, final: dict[str, float]) -> dict[str, float]:
    """Share and weights with a neural model, and what it brings after the search and inside it.

    final: the beam that word confidences are fitted to.
    """
    model = load_neural_lm(neural_lm_folder(name))
    best, score = tuner.neural(found.best, model)
    click.echo(f"neural model: share {best.neural_share}, lm_weight {best.lm_weight}, word_score {best.word_score}")
    weighted = tuner.decoder.with_settings(lm_weight=best.lm_weight, word_score=best.word_score)
    fusion = Fusion(model, best.neural_share)
    rescored = tuner.score_with(weighted.with_rescoring(fusion, RESCORED))
    for where, judged in {"rescoring": rescored, "fusion": score}.items():
        click.echo(f"{where}: {judged.words.rate:.2%} WER")
        click.echo(render_test(compare(found.score, judged), "the n-gram alone", f"with the neural model, {where},"))
    fitted = final | _calibrated(tuner, weighted.with_settings(**final).with_fusion(fusion))
    return {
        "neural_share": best.neural_share,
        "neural_lm_weight": best.lm_weight,
        "neural_word_score": best.word_score,
    } | {f"neural_{name}": value for name, value in fitted.items()}


def _calibrated(tuner: Tuner, decoder: Decoder) -> dict[str, float]:
    """Settings of word confidences for a search."""
    fitted = tuner.calibration(decoder)
    click.echo(
        f"word confidence: expected calibration error {fitted.after:.2%} on the half not fitted to, "
        f"{fitted.before:.2%} of the beam's posterior alone"
    )
    return fitted.settings


def _print_surface(trials: list[Trial]) -> None:
    click.echo("lm_weight  word_score     WER")
    for trial in sorted(trials, key=lambda trial: trial.wer):
        click.echo(f"{trial.lm_weight:9.3f}  {trial.word_score:10.3f}  {trial.wer:6.2%}")


def _show(trial: Trial) -> None:
    share = f"  neural share {trial.neural_share:.2f}" if trial.neural_share else ""
    note(f"lm_weight {trial.lm_weight:6.3f}  word_score {trial.word_score:6.3f}{share}  WER {trial.wer:.2%}")
