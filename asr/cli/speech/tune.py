"""`asr tune`: find the weights of language model and words on a dev set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click

from asr.atomic_file import write_atomically
from asr.callbacks import Note
from asr.cli.console import Progress, list_bad, note, warn
from asr.cli.shared_options import check_output, device_option, json_option, quiet_option, search_threads_option
from asr.cli.speech.search_options import MODEL_HELP, BeamWidth, beam_threshold_option, open_emitter
from asr.decode.build import NONE, SearchOptions, open_decoder, open_neural_lm
from asr.decode.decoder import Decoder
from asr.decode.fusion import Fusion
from asr.decode.preflight import reference_findings
from asr.errors import ConfigError
from asr.recognizer.bulk import LogProbs, compute_log_probs, read_log_probs
from asr.recognizer.tuning.tuner import Trial, Tuner, Tuning
from asr.score.report import compare, render, render_test
from asr.score.text_files import Texts, read_texts
from asr.shipped import neural_lm_path

RESCORED = 100  # hypotheses of each utterance

Settings = dict[str, float]


@dataclass(frozen=True)
class Plan:
    """What is to be tried."""

    trials: int
    beam_sizes: list[int]
    search: Settings  # beam and threshold while weights are sought
    final: Settings  # of the search that will be used
    final_neural: Settings  # of the search that will be used with the neural model
    neural_lm: Path | str | None


def _beam_sizes(_context: click.Context, _option: click.Parameter, text: str) -> list[int]:
    try:
        sizes = [int(size) for size in text.split(",") if size.strip()]
    except ValueError:
        raise click.BadParameter(f"'{text}' must be beam sizes such as 10,50,200") from None
    if min(sizes, default=1) < 1:
        raise click.BadParameter(f"'{text}' must be beam sizes above 0")
    return sizes


@click.command()
@click.option(
    "--reference", required=True, type=click.Path(path_type=Path), help="Reference texts: manifest, 'ID text' or .trn."
)
@click.option("--log-probs", "stored", type=click.Path(path_type=Path), help=".npz from `asr decode --save-log-probs`.")
@click.option("--tokens", "tokens_path", type=click.Path(path_type=Path), help="tokens.txt of --log-probs.")
@click.option("--model", help=f"{MODEL_HELP} Instead of --log-probs; it runs on --reference, a manifest.")
@click.option(
    "--lexicon", "lexicon_path", type=click.Path(path_type=Path), help="lexicon.txt.  [default: the model's own]"
)
@click.option("--lm", required=True, help="N-gram model (.arpa or .ngrams).")
@click.option(
    "--beam-size", default=50, show_default=True, type=click.IntRange(min=1), help="Number of hypotheses to keep."
)
@beam_threshold_option
@click.option("--trials", default=8, show_default=True, type=click.IntRange(min=1), help="Settings to try at most.")
@search_threads_option
@click.option("--limit", default=0, type=click.IntRange(min=0), help="Only the first N utterances by id.")
@device_option
@click.option(
    "--beams",
    default="10,25,50,100,200",
    show_default=True,
    metavar="SIZE,...",
    callback=_beam_sizes,
    help="Beam sizes to try with the best weights.",
)
@click.option(
    "--neural-lm", default=NONE, show_default=True, help="LSTM language model: a folder, 'shipped' or 'none'."
)
@click.option(
    "--final-beam",
    type=BeamWidth(),
    help="Beam size, and nats below the best at which it ends, of the search that will be used: written with the"
    " weights; word confidences are fitted to it.  [default: as while tuning]",
)
@click.option("--final-neural-beam", type=BeamWidth(), help="With the neural language model.  [default: --final-beam]")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write the best settings as JSON, for `asr checkpoint pack`."
)
@json_option("Print the best settings as JSON, and the rest on stderr.")
@quiet_option
def command(
    reference: Path, stored: Path | None, tokens_path: Path | None, model: str | None,
    lexicon_path: Path | None, lm: str, beam_size: int, beam_threshold: float | None, trials: int, threads: int,
    limit: int, device: str, beams: list[int], neural_lm: str, final_beam: dict[str, float] | None,
    final_neural_beam: dict[str, float] | None, output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Find the search weights with the lowest word error rate on a dev set; the acoustic model runs once.

    Each search uses the weights that would have ranked the best hypotheses of the searches before highest (minimum
    error rate training). Tuning ends when the next weights were tried already.

    Prints every trial, a paired test of the language model against none, other beam sizes, how well word confidences
    are calibrated, and what a neural language model adds.

    \b
    Example: asr tune --model exp/model --reference dev.jsonl --lm lm.arpa.gz --output tuned.json
    """
    check_output(output, reference, stored, tokens_path, lexicon_path, lm)
    if (stored is None) == (model is None):
        raise ConfigError("give either --log-probs with --tokens, or --model with a manifest as --reference.")
    emitter = open_emitter(model, tokens_path)
    search = {name: value for name, value in (("beam_size", beam_size), ("threshold", beam_threshold)) if value}
    options = SearchOptions(lexicon=lexicon_path, lm=lm, neural_lm=NONE, settings=search, tuned=False)
    decoder = open_decoder(emitter, options, note=note)
    texts = read_texts(reference)
    _warn_about_words(decoder, texts)
    final = final_beam or {}
    plan = Plan(trials, beams, search, final, final_neural_beam or final, neural_lm_path(neural_lm))
    # Only now, as it may take hours: files that cannot be used are named before.
    log_probs = _log_probs(stored, model, reference, limit, device, threads)
    best = _tune(Tuner(decoder, log_probs, texts, threads or 1, _show), plan, note if as_json else click.echo)
    if as_json:
        click.echo(json.dumps(best))
    if output is not None:
        write_atomically(output, (json.dumps(best) + "\n").encode())


def _log_probs(
    stored: Path | None, model: str | None, reference: Path, limit: int, device: str, threads: int
) -> LogProbs:
    if stored is not None:
        return read_log_probs(stored, limit).arrays
    progress = Progress("acoustic model")
    computed = compute_log_probs(model, reference, device=device, threads=threads, limit=limit, progress=progress)
    progress.close()
    list_bad(computed.bad)
    return computed.arrays


def _warn_about_words(decoder: Decoder, texts: Texts) -> None:
    """Name what keeps reference words from being recognised; with an open vocabulary nothing does."""
    if decoder.words is None:
        return
    known = None if decoder.lm is None else decoder.lm.words
    for finding in reference_findings(texts.texts.values(), set(decoder.words), known):
        warn(f"warning: {finding}")


def _tune(tuner: Tuner, plan: Plan, say: Note) -> Settings:
    """The best settings; says how they were found and what they bring."""
    tuning = tuner.weights(plan.trials)
    weights = tuning.best
    _say_surface(tuning.trials, say)
    size = plan.search["beam_size"]
    say(f"best: lm_weight {weights.lm_weight}, word_score {weights.word_score}, beam_size {size}")
    say(render(tuning.score, worst=0))
    say(render_test(tuning.test, "no language model", "this language model"))
    if tuning.test.difference >= 0:
        warn("warning: the language model does not help on this set; check its text, its case, and its vocabulary")
    for trial in tuner.beams(weights, plan.beam_sizes):
        say(f"beam_size {trial.beam_size:4d}: WER {trial.wer:.2%}, {trial.seconds:.1f} s")
    search = plan.search | plan.final
    best = {"lm_weight": weights.lm_weight, "word_score": weights.word_score} | search
    best |= _calibrated(tuner, tuner.with_weights(weights).with_settings(**search), say)
    if plan.neural_lm != NONE and plan.neural_lm is not None:
        best |= _tune_neural(tuner, tuning, Path(plan.neural_lm), plan.final_neural, say)
    return best


def _tune_neural(tuner: Tuner, tuning: Tuning, path: Path, final: Settings, say: Note) -> Settings:
    """The best share and weights with a neural model; says what it brings after the search and inside it.

    final: the beam that word confidences are fitted to.
    """
    model = open_neural_lm(path)
    best, score = tuner.neural(tuning.best, model)
    say(f"neural model: share {best.neural_share}, lm_weight {best.lm_weight}, word_score {best.word_score}")
    weighted = tuner.decoder.with_settings(lm_weight=best.lm_weight, word_score=best.word_score)
    fusion = Fusion(model, best.neural_share)
    rescored = tuner.score_with(weighted.with_rescoring(fusion, RESCORED))
    for where, judged in {"rescoring": rescored, "fusion": score}.items():
        say(f"{where}: {judged.words.rate:.2%} WER")
        say(render_test(compare(tuning.score, judged), "the n-gram alone", f"with the neural model, {where},"))
    fitted = final | _calibrated(tuner, weighted.with_settings(**final).with_fusion(fusion), say)
    return {
        "neural_share": best.neural_share,
        "neural_lm_weight": best.lm_weight,
        "neural_word_score": best.word_score,
    } | {f"neural_{name}": value for name, value in fitted.items()}


def _calibrated(tuner: Tuner, decoder: Decoder, say: Note) -> Settings:
    """Settings of word confidence for a search."""
    fitted = tuner.calibration(decoder)
    say(
        f"word confidence: expected calibration error {fitted.after:.2%} on the half not fitted to, "
        f"{fitted.before:.2%} of the beam's posterior alone"
    )
    return fitted.settings


def _say_surface(trials: list[Trial], say: Note) -> None:
    say("lm_weight  word_score     WER")
    for trial in sorted(trials, key=lambda trial: trial.wer):
        say(f"{trial.lm_weight:9.3f}  {trial.word_score:10.3f}  {trial.wer:6.2%}")


def _show(trial: Trial) -> None:
    share = f"  neural share {trial.neural_share:.2f}" if trial.neural_share else ""
    note(f"lm_weight {trial.lm_weight:6.3f}  word_score {trial.word_score:6.3f}{share}  WER {trial.wer:.2%}")
