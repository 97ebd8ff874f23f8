"""`asr adapt`: a model of one's own, from texts, words or recordings."""

from __future__ import annotations

import json
from pathlib import Path

import click

from asr.cli.console import list_bad, note
from asr.cli.shared_options import device_option, json_option, quiet_option, threads_option
from asr.cli.speech.search_options import MODEL_HELP
from asr.shipped import model_folder


@click.command()
@click.option("--model", help=f"{MODEL_HELP}  [default: english]")
@click.option(
    "--text",
    "texts",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Text of the domain, a sentence a line (.txt, .gz, or a manifest's texts); may be repeated.",
)
@click.option("--audio", type=click.Path(path_type=Path), help="Manifest of recordings with texts, 5 minutes or more.")
@click.option(
    "--words",
    multiple=True,
    type=click.Path(path_type=Path),
    help="List of words and names, one a line, with tabs: WORD[<TAB>BOOST][<TAB>PRONUNCIATION]...; may be repeated.",
)
@click.option(
    "--lstm",
    type=click.Choice(["keep", "tune"]),
    default="keep",
    show_default=True,
    help="With --text, whether the LSTM language model is fine-tuned on it (extra train); perplexity decides.",
)
@click.option(
    "--dev",
    type=click.Path(path_type=Path),
    help="Manifest to measure on, and to stop on.  [default: a fifth of --audio]",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@device_option
@threads_option
@json_option("Print the figures as JSON.")
@quiet_option
def command(
    model: str | None, texts: tuple[Path, ...], audio: Path | None, words: tuple[Path, ...], lstm: str,
    dev: Path | None, output: Path, device: str, threads: int, as_json: bool,
) -> None:  # fmt: skip
    """Adapt a model to a domain, to names, to a voice: texts, words and recordings, each alone or together.

    Texts give the language model the domain's phrases and the lexicon its words; their weight is found on sentences
    that are held out. Recordings fine-tune the acoustic model; how much that helped is measured on recordings that are
    held out. The result is a model folder for --model.

    \b
    Examples:
      asr adapt --text letters.txt --words names.txt --output mine
      asr adapt --audio mine.jsonl --output mine
    """
    from asr.recognizer.adaptation.adapt import adapt
    from asr.score.report import render_test

    outcome = adapt(
        model_folder(model),
        output,
        texts=texts,
        audio=audio,
        dev=dev,
        words=words,
        lstm=lstm,
        device=device,
        threads=threads,
        note=note,
    )
    list_bad(outcome.bad)
    figures: dict[str, object] = {}
    if outcome.language is not None:
        figures |= {"new_words": outcome.language.new_words, "weights": outcome.language.weights}
        shown = ", ".join(f"{name} {weight:.2g}" for name, weight in outcome.language.weights.items())
        note(f"{outcome.language.new_words} new words; weights: {shown or 'as before'}")
    if outcome.language is not None and outcome.language.perplexity is not None:
        before, after = outcome.language.perplexity
        figures["perplexity"] = {"before": round(before, 1), "after": round(after, 1)}
        figures["lstm_changed"] = outcome.language.neural_lm is not None
        note(f"perplexity of the sentences held out: {before:.1f} before, {after:.1f} after")
    if outcome.before is not None and outcome.after is not None and outcome.test is not None:
        rates = (outcome.before.words.rate, outcome.after.words.rate)
        figures |= {"wer": {"before": rates[0], "after": rates[1]}, "p_value": outcome.test.p_value}
        note(f"WER of the recordings held out: {rates[0]:.2%} before, {rates[1]:.2%} after")
        note(render_test(outcome.test, "before", "after").rstrip())
    if as_json:
        click.echo(json.dumps(figures | {"network_changed": outcome.network_changed}))
    note(f"{output}: use it with --model {output}")
