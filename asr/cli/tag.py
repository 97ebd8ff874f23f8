"""`asr nlp tag`: label every word of a text, first of all with punctuation marks and capitals."""

from __future__ import annotations

import json
from pathlib import Path

import click

from asr.cli.console import TrainingProgress, note, report
from asr.cli.shared_options import json_option, quiet_option, training_options
from asr.errors import ConfigError
from asr.shipped import TAGGER_NAME, tagger_folder
from asr.train.log import EpochLog

MODEL_HELP = f"Folder from `asr nlp tag train`, or '{TAGGER_NAME}' for the shipped one (./{TAGGER_NAME} is a folder)."


@click.group(short_help="Label the words of a text.")
def command() -> None:
    """Label every word of a text: punctuation marks and capitals, or columns of your own.

    \b
    Example: asr nlp tag apply words.txt
    """


def _config_class() -> type:
    from asr.nlp.tagging.run import TaggerRunConfig

    return TaggerRunConfig


@command.command("train", short_help="Train a tagger.")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TEXT...")
@click.option("--dev", required=True, type=click.Path(path_type=Path), help="Text to validate on, of the same kind.")
@click.option("--columns", is_flag=True, help="TEXT is a table of words and labels instead of prose.")
@training_options(_config_class)
def train(
    texts: tuple[Path, ...], dev: Path, columns: bool, config_path: Path | None, output: Path, resume: bool,
    overrides: list[str], as_json: bool,
) -> None:  # fmt: skip
    """Train a tagger with a bidirectional LSTM.

    TEXT is printed prose (.txt, .gz, .bz2 or .xz), a sentence or a paragraph a line, blank lines between paragraphs:
    the tagger learns the mark after each word and the word's case, and pauses between words are drawn. With --columns
    TEXT is a table (.tsv) with the header `word<TAB>COLUMN...`, a word a line, and blank lines between sentences.

    \b
    Keys for --set, among others:
      model.hidden_size    units per direction
      most_words           size of the vocabulary
      train.epochs         passes over the text
      bits                 of the stored weights: 8, 16 or 32

    \b
    Example: asr nlp tag train books.txt.gz --dev heldout.txt --output marks
    """
    from asr.config import configured
    from asr.nlp.tagging.run import TaggerRunConfig, train_tagger
    from asr.nlp.tagging.text import PROSE_OUTPUTS, read_columns, read_prose

    config = configured(TaggerRunConfig, config_path, overrides)
    if columns:
        if len(texts) > 1:
            raise ConfigError("one table at a time is read with --columns.")
        text, outputs = read_columns(texts[0])
        held, _ = read_columns(dev, outputs)
    else:
        text, held = read_prose(texts), read_prose([dev])
        outputs = {name: list(labels) for name, labels in PROSE_OUTPUTS.items()}
    note(f"{len(text)} words to train on, {len(held)} to validate on")
    progress = TrainingProgress(_epoch_line)
    final = train_tagger(config, text, held, outputs, output, resume, progress)
    progress.close()
    wrong = ", ".join(f"{name} {final.figures[f'{name}_error']:.2%} wrong" for name in outputs)
    text_shown = f"{output}: {final.weights}, {wrong} on the validation text"
    report(text_shown, as_json, output=output, weights=final.weights, **final.figures)


def _epoch_line(entry: EpochLog) -> str:
    wrong = "".join(f", {name} {value:.4f}" for name, value in entry.figures.items())
    return f"loss {entry.loss:.4f}{wrong}, {entry.speed}"


@command.command("apply", short_help="Label the words of a text.")
@click.argument("text", type=click.Path(path_type=Path))
@click.option("--model", default=TAGGER_NAME, show_default=True, help=MODEL_HELP)
@click.option(
    "--table", is_flag=True, help="Print a word and its labels a line instead of text with marks and capitals."
)
@json_option("Print a JSON object for each line: its words, and the labels of each column.")
@quiet_option
def apply(text: Path, model: str, table: bool, as_json: bool) -> None:
    """Label the words of TEXT, each line for itself, words separated by spaces.

    A tagger of marks and case prints the text with them; any other one prints a table (see --table).

    \b
    Example: asr nlp tag apply words.txt
    """
    from asr.nlp.tagging.marks import marked, sets_marks
    from asr.nlp.tagging.tagger import Tagger
    from asr.text.lines import read_lines

    tagger = Tagger.open(tagger_folder(model))
    if not table and not sets_marks(tagger):
        table = True
    if table and not as_json:
        click.echo("\t".join(["word", *tagger.config.outputs]))
    for line in read_lines(text):
        words = line.split()
        if as_json:
            click.echo(json.dumps({"words": words, "labels": tagger.tag(words)}, ensure_ascii=False))
            continue
        if not table:
            click.echo(" ".join(marked(tagger, words)))
            continue
        labels = tagger.tag(words)
        for place, word in enumerate(words):
            click.echo("\t".join([word, *(labels[name][place] for name in labels)]))
        click.echo()


@command.command("evaluate", short_help="Measure F1 of each label, beside baselines.")
@click.argument("text", type=click.Path(path_type=Path))
@click.option("--model", default=TAGGER_NAME, show_default=True, help=MODEL_HELP)
@click.option("--columns", is_flag=True, help="TEXT is a table of words and labels instead of prose.")
@click.option(
    "--baselines", type=click.Path(path_type=Path), help="Text that baselines are fitted to, for a paired test."
)
@json_option()
@quiet_option
def evaluate(text: Path, model: str, columns: bool, baselines: Path | None, as_json: bool) -> None:
    """Measure precision, recall and F1 of each label, and the accuracy of each column, without pauses.

    The baselines are a 4-gram model of words with their labels between them, and a logistic regression on the two words
    before and the two behind; the test is a paired permutation test of F1.

    \b
    Example: asr nlp tag evaluate heldout.txt --baselines books.txt.gz
    """
    from asr.nlp.tagging.evaluate import evaluate_tagger
    from asr.nlp.tagging.tagger import Tagger
    from asr.nlp.tagging.text import read_columns, read_prose

    tagger = Tagger.open(tagger_folder(model))
    outputs = {name: list(labels) for name, labels in tagger.config.outputs.items()}
    held = read_columns(text, outputs)[0] if columns else read_prose([text])
    fitted = None
    if baselines is not None:
        fitted = read_columns(baselines, outputs)[0] if columns else read_prose([baselines])
    rows = evaluate_tagger(tagger, held, fitted)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for name, column in rows.items():
        click.echo(f"{name}: accuracy {column['accuracy']:.2%}")
        for label, row in column["labels"].items():
            line = f"  {label or 'none':8} precision {row['precision']:.2%}, recall {row['recall']:.2%}"
            line += f", F1 {row['f1']:.2%}"
            for other, test in row.get("baselines", {}).items():
                line += f"; {other} F1 {test['f1']:.2%} (p = {test['p_value']:.4f})"
            click.echo(f"{line}, {row['count']} words")
