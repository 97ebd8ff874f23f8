"""Labelled texts from CSV, TSV, JSON lines or `LABEL TEXT` lines, plain or compressed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from asr.errors import DataError
from asr.json_text import parse_json
from asr.text.lines import read_lines, surplus_fields
from asr.unpacking import unpacked_name

MAX_FIELD = 1 << 27  # characters of one text


@dataclass(frozen=True)
class Table:
    """Texts with their labels (or None) and row numbers, which count from 1 below the header."""

    texts: list[str]
    labels: list[str | None]
    rows: list[int]
    source: str

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def labelled(self) -> list[str]:
        """All labels. Raises DataError naming the first row without one."""
        for label, row in zip(self.labels, self.rows, strict=True):
            if label is None:
                raise DataError(f"{self.source} row {row} has no label.")
        return [label for label in self.labels if label is not None]


def read_table(
    path: str | Path,
    text_col: str = "text",
    label_col: str | None = "label",
    lines: bool = False,
    encoding: str = "utf-8",
) -> Table:
    """The table of a file whose name ends in .csv, .tsv or .jsonl, perhaps followed by .gz, .bz2 or .xz.

    lines: each line is LABEL TEXT, whatever the name. label_col: None for texts without labels.
    Raises DataError naming the row that lacks a column, a text or a label, and TextError naming the line with another
    encoding.
    """
    path = Path(path)
    kind = unpacked_name(path).suffix
    if lines:
        rows: Iterator[dict[str, Any]] = _label_lines(path, text_col, label_col, encoding)
    elif kind in (".jsonl", ".json"):
        rows = _json_rows(path, encoding)
    else:
        rows = _csv_rows(path, "\t" if kind == ".tsv" else ",", encoding)
    texts: list[str] = []
    labels: list[str | None] = []
    numbers: list[int] = []
    for number, row in enumerate(rows, 1):
        texts.append(_cell(path, number, row, text_col, "text_col"))
        label = None if label_col is None else _cell(path, number, row, label_col, "label_col").strip()
        if label == "":
            raise DataError(f"{path} row {number} has an empty label; give it one, or take the row out.")
        labels.append(label)
        numbers.append(number)
    if not texts:
        raise DataError(f"{path} has no rows below its header.")
    return Table(texts, labels, numbers, str(path))


def _cell(path: Path, number: int, row: dict[str, Any], column: str, parameter: str) -> str:
    """The value of a column, which `parameter` names, in a row."""
    if column not in row:
        known = ", ".join(row)
        raise DataError(f"{path} row {number} has no column '{column}'; it has {known}. Name it with `{parameter}`.")
    if row[column] is None:
        raise DataError(f"{path} row {number} has nothing in the column '{column}'; complete it, or take the row out.")
    return str(row[column])


def _csv_rows(path: Path, separator: str, encoding: str) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(MAX_FIELD)
    plain = separator == "\t"  # tab-separated corpora do not quote
    reader = csv.reader(
        (line + "\n" for line in read_lines(path, encoding)),
        delimiter=separator,
        quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
    )
    rows = (row for row in reader if row)
    try:
        header = [name.strip() for name in next(rows, [])]
        for row in rows:
            if surplus := surplus_fields(row, len(header)):  # of a text with commas: only its beginning would be read
                raise DataError(f"{path} line {reader.line_num} has {surplus}")
            yield dict(zip_longest(header, row[: len(header)]))
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num} is not CSV: {error}.") from None


def _json_rows(path: Path, encoding: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_lines(path, encoding), 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise DataError(f"{path} line {number} is not a JSON object: {line[:60]!r}.")
        yield row


def _label_lines(path: Path, text_col: str, label_col: str | None, encoding: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_lines(path, encoding), 1):
        label, _, text = line.strip().partition(" ")
        if not text:
            raise DataError(f"{path} line {number} is not 'LABEL TEXT': {line[:60]!r}.")
        yield {text_col: text, label_col or "label": label}
