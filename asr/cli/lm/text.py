"""`asr lm text`: training text of language models from collections of books."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import click

from asr.cli.case_option import CASE
from asr.cli.console import Progress, note, report
from asr.cli.shared_options import check_output, json_option, quiet_option
from asr.data.books import Collector, Tally, find_books, read_books, without_listed
from asr.data.manifest import sentences
from asr.text.lines import line_writer, read_lines
from asr.text.normalize import CASES

PATHS = click.Path(path_type=Path)


@click.command("text", short_help="Make training text from books.")
@click.argument("sources", nargs=-1, required=True, type=PATHS)
@click.option(
    "--output", required=True, type=PATHS, help="Text to write, as spoken, one sentence a line (plain, .gz, .bz2, .xz)."
)
@click.option("--printed", type=PATHS, help="Also write the sentences as printed, with blank lines between paragraphs.")
@click.option(
    "--leave-out",
    "lists",
    multiple=True,
    type=PATHS,
    help="List of books to leave out: the end of a path on each line.",
)
@click.option(
    "--apart",
    multiple=True,
    type=PATHS,
    help="Text or manifest with which no run of 8 words may be shared, such as a test set.",
)
@click.option("--known", multiple=True, type=PATHS, help="Text that you have already: its sentences are left out.")
@click.option(
    "--processes", default=1, show_default=True, type=click.IntRange(1), help="Number of processes that read books."
)
@CASE
@json_option()
@quiet_option
def text(
    sources: tuple[Path, ...], output: Path, printed: Path | None, lists: tuple[Path, ...], apart: tuple[Path, ...],
    known: tuple[Path, ...], processes: int, case: str, as_json: bool,
) -> None:  # fmt: skip
    """Write the sentences of the books in SOURCES, which are plain text or Markdown files (.txt, .md) or their folders.

    Left out are the headers, licences, contents and notes of Project Gutenberg's files, books and paragraphs that are
    not in English, duplicates, and what --leave-out and --apart exclude.

    \b
    Example: asr lm text books --apart heldout.txt --output prose.txt.gz
    """
    for path in (output, printed):
        check_output(path, *sources, *lists, *apart, *known)
    change = CASES[case]
    listed = [line for path in lists for line in read_lines(path)]
    books, left_out = without_listed(find_books(sources), listed)
    collector = Collector(chain.from_iterable(map(sentences, apart)))
    collector.tally.left_out = left_out
    for path in known:
        note(f"reading {path} ...")
        collector.know(sentences(path))
    progress = Progress("reading books")
    with ExitStack() as files:
        write = files.enter_context(line_writer(output))
        write_printed: Callable[[str], object] = files.enter_context(line_writer(printed)) if printed else str
        for number, book in enumerate(read_books(books, processes), 1):
            as_printed, as_spoken = collector.take(book)
            for line in as_spoken:
                write(change(line))
            for line in [*as_printed, ""] if as_printed else []:
                write_printed(line)
            progress(number, len(books), f"{collector.tally.words / 1e6:.1f} M words")
    progress.close()
    _say(output, collector.tally, as_json)


def _say(output: Path, tally: Tally, as_json: bool) -> None:
    text = f"{output}: {tally.words:,} words in {tally.sentences:,} sentences of {tally.books:,} books"
    report(text, as_json, output=output, words=tally.words, sentences=tally.sentences, books=tally.books)
    reasons = {
        "listed": tally.left_out, "not in English": tally.foreign, "doubles": tally.doubles,
        "share runs of words with texts kept apart": tally.apart,
    }  # fmt: skip
    for reason, paths in reasons.items():
        note(f"left out, {reason}: {len(paths):,} books" + "".join(f"\n  {path}" for path in paths))
    note(f"of the other books left out: {tally.doubled_words:,} words in paragraphs that are doubles,")
    note(f"{tally.apart_words:,} words in sentences that share runs of words with texts kept apart")
