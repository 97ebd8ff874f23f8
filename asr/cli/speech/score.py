"""`asr score`: error rates, intervals, and a paired test."""

from __future__ import annotations

import json
from pathlib import Path

import click

from asr.cli.console import warn
from asr.cli.shared_options import json_option, quiet_option
from asr.score.report import compare, render, render_alignment, render_test, score_system, to_json
from asr.score.spellings import Spellings
from asr.score.statistics import MIN_TESTED
from asr.score.text_files import Texts, read_texts
from asr.unpacking import unpacked_name


@click.command()
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("hypothesis", type=click.Path(path_type=Path))
@click.argument("second", required=False, type=click.Path(path_type=Path))
@json_option("Print JSON; rates are fractions.")
@click.option("--ignore-case", is_flag=True, help="Compare in lower case.")
@click.option(
    "--spellings",
    type=click.Path(path_type=Path),
    help="Lines of spellings that count as one, such as 'colour color'; by tabs where some are of several words.",
)
@click.option(
    "--worst", default=5, show_default=True, type=click.IntRange(0), help="How many of the worst utterances to name."
)
@click.option(
    "--alignments", is_flag=True, help="Print every utterance with an error, word by word; with --json as pairs."
)
@quiet_option
def command(
    reference: Path,
    hypothesis: Path,
    second: Path | None,
    as_json: bool,
    ignore_case: bool,
    spellings: Path | None,
    worst: int,
    alignments: bool,
) -> None:
    """Word and character error rates of HYPOTHESIS, with 95% intervals; with a SECOND one also a paired test.

    Files are 'ID text' lines, .trn, or manifests (.jsonl, which also name speakers); plain, .gz, .bz2 or .xz.

    \b
    Example: asr score dev.jsonl hyp.trn --alignments
    """
    paths = [hypothesis] + ([second] if second else [])
    equal = Spellings.read(spellings) if spellings is not None else None
    wanted = _read(reference, ignore_case, equal)
    _warn_about_ids(wanted, reference)
    if wanted.unknown:
        warn(f"note: {len(wanted.unknown)} utterances of {reference} have no text and are not scored")
    systems = []
    for path in paths:
        found = _read(path, ignore_case, equal)
        _warn_about_case(wanted, found, path)
        systems.append(score_system(wanted, found))
    test = compare(systems[0], systems[1]) if second else None
    if test is not None and test.speakers is None and wanted.speakers:
        _note_why_not_over_speakers(wanted, reference)
    if as_json:
        values = to_json(systems[0], worst, alignments)
        if test is not None:
            values["second"] = to_json(systems[1], worst, alignments)
            values["test"] = {
                "difference": test.difference,
                "interval": [test.interval.low, test.interval.high],
                "p_value": test.p_value,
                "over": "utterances" if test.speakers is None else "speakers",
            }
        click.echo(json.dumps(values))
        return
    for path, system in zip(paths, systems, strict=True):
        if second:
            click.echo(f"--- {path}")
        click.echo(render(system, worst))
        if system.missing:
            warn(
                f"{len(system.missing)} utterances without a hypothesis count as empty: {' '.join(system.missing[:5])}"
            )
        if alignments:
            for name, alignment in zip(system.ids, system.alignments, strict=True):
                if alignment.counts.errors:
                    click.echo(render_alignment(name, alignment))
    if test is not None and second is not None:
        names = [path.name if hypothesis.name != second.name else str(path) for path in (hypothesis, second)]
        click.echo(render_test(test, *names))


def _read(path: Path, ignore_case: bool, equal: Spellings | None) -> Texts:
    texts = read_texts(path)
    changed = {name: text.lower() for name, text in texts.texts.items()} if ignore_case else texts.texts
    if equal is not None:
        changed = {name: equal.unified(text) for name, text in changed.items()}
    return Texts(changed, texts.speakers, texts.unknown)


def _warn_about_ids(reference: Texts, path: Path) -> None:
    """A note where a file of plain sentences may have been given, whose first words would be lost as ids."""
    if unpacked_name(path).suffix not in (".trn", ".jsonl") and all(name.isalpha() for name in reference.texts):
        first = next(iter(reference.texts))
        warn(f"note: the first word of each line of {path} is its id, such as '{first}', and is not scored")


def _note_why_not_over_speakers(wanted: Texts, reference: Path) -> None:
    unnamed = len(wanted.texts) - len(wanted.speakers)
    reason = (
        f"{unnamed} of {len(wanted.texts)} utterances have no speaker"
        if unnamed
        else f"fewer than {MIN_TESTED} speakers are too few"
    )
    warn(f"note: the test is over utterances, not speakers: {reason} in {reference}")


def _warn_about_case(reference: Texts, hypothesis: Texts, path: Path) -> None:
    left, right = (" ".join(texts.texts.values()) for texts in (reference, hypothesis))
    if left and right and ((left.isupper() and right.islower()) or (left.islower() and right.isupper())):
        warn(f"note: the reference and {path} are in different case; compare them with --ignore-case")
