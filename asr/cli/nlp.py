"""`asr nlp`: classify texts, and compare the classifier with a baseline."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asr.atomic_file import write_atomically, write_text
from asr.cli.console import TrainingProgress, note, report
from asr.cli.figures import PicturePath, new_figure, save_figure
from asr.cli.shared_options import (
    check_output,
    device_option,
    json_option,
    quiet_option,
    threads_option,
    training_options,
)
from asr.cli.tag import command as tag
from asr.train.log import EpochLog

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr.nlp.table import Table

SHOWN_WORDS = 6  # of an explanation


@click.group()
def command() -> None:
    """Classify texts (topic, sentiment), or label their words (punctuation, capitals), with a bidirectional LSTM.

    \b
    Examples:
      asr nlp train reviews.csv --text-col text --label-col label --output model
      asr nlp tag apply words.txt
    """


command.add_command(tag, "tag")


def table_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options with which every subcommand reads FILE."""
    for option in (
        click.option("--encoding", default="utf-8", show_default=True, help="Encoding of FILE."),
        click.option("--lines", is_flag=True, help="FILE has lines of the form LABEL TEXT."),
        click.option("--label-col", default="label", show_default=True, help="Column of labels."),
        click.option("--text-col", default="text", show_default=True, help="Column of texts."),
        click.argument("file", type=click.Path(path_type=Path)),
    ):
        function = option(function)
    return function


models_option = click.option(
    "--model", "models", required=True, multiple=True, type=click.Path(path_type=Path),
    help="Folder from `asr nlp train`; repeat it for the mean of several, such as those of other seeds.",
)  # fmt: skip


def _config_class() -> type:
    from asr.nlp.run import ClassifierRunConfig

    return ClassifierRunConfig


@command.command("train", short_help="Train a classifier on a table.")
@table_options
@click.option("--dev", type=click.Path(path_type=Path), help="Table to validate on.  [default: a tenth of FILE]")
@click.option("--dev-text-col", help="Its column of texts.  [default: the same as in FILE]")
@click.option(
    "--keep",
    type=click.Choice(["best", "lstm", "tf-idf", "both"]),
    help="What the model answers with: the LSTM, tf-idf with logistic regression, a mixture of both, or what is best "
    "on the validation texts.  [default: that of the configuration, best]",
)
@training_options(_config_class)
def train(
    file: Path, text_col: str, label_col: str, lines: bool, encoding: str, dev: Path | None, dev_text_col: str | None,
    config_path: Path | None, output: Path, resume: bool, keep: str | None, overrides: list[str],
    as_json: bool,
) -> None:  # fmt: skip
    """Train a classifier on a table (.csv, .tsv or .jsonl, also .gz, .bz2 or .xz) with a text and a label in each row.

    \b
    Keys for --set, among others:
      model.kind           lstm, lstm-article, lstm-peephole, lstm-coupled, lstm-layernorm, lstm-projected, gru, rnn,
                           rnn-relu, esn
      model.hidden_size    units per direction
      model.pooling        max, mean, attention, concat
      train.epochs         passes over the table
      vectors              file of word vectors to start from
      language_model       folder from `asr lm train` to start from, or `shipped`: the English model's

    \b
    Example: asr nlp train reviews.csv --output model --set train.epochs=5
    """
    from asr.config import configured
    from asr.nlp.run import ClassifierRunConfig, train_classifier
    from asr.nlp.table import read_table

    chosen = [*overrides, *([f"keep={keep}"] if keep is not None else [])]
    config = configured(ClassifierRunConfig, config_path, chosen)
    texts = read_table(file, text_col, label_col, lines, encoding)
    held = read_table(dev, dev_text_col or text_col, label_col, lines, encoding) if dev else None
    note(f"{len(texts)} texts, {len(set(texts.labels))} classes")
    progress = TrainingProgress(_epoch_line)
    made = train_classifier(config, texts, held, output, resume, progress)
    progress.close()
    shown = ", ".join(f"{name} {1 - error:.2%}" for name, error in made.errors.items())
    text = f"{output}: {made.final.weights}; kept: {made.kept}; accuracy on the validation texts: {shown}"
    report(
        text, as_json, output=output, weights=made.final.weights, kept=made.kept, baseline_share=made.baseline_share,
        errors=made.errors,
    )  # fmt: skip


def _epoch_line(entry: EpochLog) -> str:
    error = f", error {entry.figures['error']:.2%}" if entry.figures else ""
    return f"loss {entry.loss:.4f}{error}, {entry.speed}"


@command.command("text", short_help="Write the texts of a table, one a line.")
@table_options
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Text file to write; .gz compresses it.")
@json_option()
@quiet_option
def text(file: Path, text_col: str, label_col: str, lines: bool, encoding: str, output: Path, as_json: bool) -> None:
    """Write the texts of a table one per line, in the classifier's words, for `asr lm train --set case=keep`.

    A classifier can start from such a language model: asr nlp train --set language_model=FOLDER.

    \b
    Example: asr nlp text reviews.csv --output reviews.txt
    """
    from asr.nlp.table import read_table
    from asr.nlp.words import words_of

    check_output(output, file)
    table = read_table(file, text_col, label_col if lines else None, lines, encoding)
    write_text(output, "".join(f"{' '.join(words_of(text))}\n" for text in table.texts))
    report(f"{output}: {len(table)} texts", as_json, output=output, texts=len(table))


@command.command("predict", short_help="Label texts.")
@table_options
@models_option
@click.option("--explain", is_flag=True, help="Show the words that contribute most to the label.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the labels, one per line.")
@device_option
@threads_option
@json_option("Print one JSON object per text.")
@quiet_option
def predict(
    file: Path, text_col: str, label_col: str, lines: bool, encoding: str, models: tuple[Path, ...], explain: bool,
    output: Path | None, device: str, threads: int, as_json: bool,
) -> None:  # fmt: skip
    """Label texts. FILE needs no labels.

    \b
    Example: asr nlp predict new.csv --model model --explain
    """
    from asr.device import choose_device
    from asr.nlp.folder import load_ensemble
    from asr.nlp.table import read_table

    check_output(output, file)
    classifier = load_ensemble(models)
    table = read_table(file, text_col, label_col if lines else None, lines, encoding)
    with _threads(threads):
        chances = classifier.probabilities(table.texts, choose_device(device))
    numbers = chances.argmax(axis=1)
    labels = [classifier.classes[number] for number in numbers]
    if output is not None:
        write_atomically(output, "".join(f"{label}\n" for label in labels).encode())
    for text, label, number, chance in zip(table.texts, labels, numbers.tolist(), chances, strict=True):
        values: dict[str, Any] = {"label": label, "probability": round(float(chance[number]), 4), "text": text}
        if explain:
            values["words"] = [[word, round(weight, 4)] for word, weight in classifier.explain(text, number)]
        if as_json:
            click.echo(json.dumps(values, ensure_ascii=False))
        elif explain or output is None:
            click.echo(f"{label}\t{values['probability']:.2f}\t{_explained(values) if explain else text}")


@command.command("evaluate", short_help="Measure accuracy, macro F1 and calibration.")
@table_options
@models_option
@click.option(
    "--against", type=click.Path(path_type=Path), help="Folder of another model, to test the difference from it too."
)
@click.option("--plot", type=PicturePath(), help="Write the confusion matrix as a picture (PNG).")
@device_option
@threads_option
@json_option()
@quiet_option
def evaluate(
    file: Path, text_col: str, label_col: str, lines: bool, encoding: str, models: tuple[Path, ...],
    against: Path | None, plot: Path | None, device: str, threads: int, as_json: bool,
) -> None:  # fmt: skip
    """Measure accuracy with its interval, macro F1 and calibration, and test the model against the baseline.

    The baseline is logistic regression on tf-idf, fitted to the same texts; the test is paired (McNemar). --against
    makes it between two models as well.

    \b
    Example: asr nlp evaluate test.csv --model model
    """
    from asr.device import choose_device
    from asr.nlp.baseline import compare_with_baseline
    from asr.nlp.folder import load_ensemble
    from asr.nlp.table import read_table
    from asr.score.classification import mcnemar, score_classes

    classifier = load_ensemble(models)
    table = read_table(file, text_col, label_col, lines, encoding)
    actual = classifier.numbers(table.labelled, table.source, table.rows)
    with _threads(threads):
        chances = classifier.probabilities(table.texts, choose_device(device))
    ours, theirs = chances.argmax(axis=1), classifier.baseline.predict(table.texts)
    score = score_classes(actual, ours, len(classifier.classes), chances.max(axis=1))
    plain = score_classes(actual, theirs, len(classifier.classes))
    p_value = mcnemar(theirs == actual, ours == actual)
    verdict = compare_with_baseline(classifier.description, score.accuracy - plain.accuracy, p_value)
    other = None if against is None else _compared(against, table, ours == actual, device, threads)
    if plot is not None:
        _plot(plot, score.confusion, classifier.classes)
    if as_json:
        values = {
            "texts": len(table), "accuracy": score.accuracy, "interval": [score.interval.low, score.interval.high],
            "macro_f1": score.macro_f1, "calibration_error": score.calibration_error, "classes": classifier.classes,
            "confusion": score.confusion.tolist(), "baseline_accuracy": plain.accuracy,
            "baseline_macro_f1": plain.macro_f1, "p_value": p_value, "verdict": verdict,
        } | ({} if other is None else {"against": other})  # fmt: skip
        click.echo(json.dumps(values))
        return
    click.echo(
        f"accuracy {score.accuracy:.2%} (95% interval {score.interval.low:.2%} to {score.interval.high:.2%}), "
        f"macro F1 {score.macro_f1:.2%}, calibration error {score.calibration_error:.2%}, {len(table)} texts"
    )
    click.echo(f"tf-idf + logistic regression: accuracy {plain.accuracy:.2%}, macro F1 {plain.macro_f1:.2%}")
    click.echo(verdict)
    if other is not None:
        click.echo(f"{against}: accuracy {other['accuracy']:.2%}; {other['verdict']}")


def _compared(folder: Path, table: Table, ours: NDArray[np.bool_], device: str, threads: int) -> dict[str, Any]:
    """The accuracy of another model, and the test between it and the model that was right where `ours` is (texts,)."""
    from asr.device import choose_device
    from asr.nlp.baseline import compare_with_baseline
    from asr.nlp.folder import load_classifier
    from asr.score.classification import mcnemar

    model = load_classifier(folder)
    actual = model.numbers(table.labelled, table.source, table.rows)
    with _threads(threads):
        theirs = model.probabilities(table.texts, choose_device(device)).argmax(axis=1) == actual
    p_value = mcnemar(theirs, ours)
    verdict = compare_with_baseline("the model", float(ours.mean() - theirs.mean()), p_value, str(folder))
    return {"accuracy": float(theirs.mean()), "p_value": p_value, "verdict": verdict}


def _threads(count: int) -> AbstractContextManager[object]:
    """A context in which torch computes with so many threads, 0: with as many as before."""
    from asr.nn.torch_threads import torch_threads

    return torch_threads(count) if count else nullcontext()


def _explained(values: dict[str, Any]) -> str:
    """The words that contribute most to the label or against it."""
    ranked = sorted(values["words"], key=lambda pair: -abs(pair[1]))[:SHOWN_WORDS]
    return " ".join(f"{word}({weight:+.2f})" for word, weight in ranked)


def _plot(path: Path, confusion: Any, classes: list[str]) -> None:
    figure = new_figure(5, 4.5)
    axes = figure.add_subplot()
    axes.imshow(confusion, cmap="Blues")
    axes.set_xticks(range(len(classes)), classes, rotation=45)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    for row, column in ((r, c) for r in range(len(classes)) for c in range(len(classes))):
        dark = confusion[row, column] > confusion.max() / 2
        axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color="w" if dark else "k")
    save_figure(figure, path)
