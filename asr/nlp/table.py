"""Labelled texts from CSV, TSV, JSON lines or `LABEL TEXT` lines, plain or compressed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.errors import DataError
from asr.json_text import parse_json
from asr.text.lines import read_lines
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
    Raises DataError naming the row with a missing column, or the line with another encoding.
    """
    path = Path(path)
    kind = unpacked_name(path).suffix
    if lines:
        rows: Iterator[dict[str, Any]] = _label_lines(path, text_col, label_col, encoding)
    elif kind in (".jsonl", ".json"):
        rows = _json_rows(path, encoding)
    else:
        rows = _csv_rows(path, "\t" if kind == ".tsv" else ",", encoding)
    texts, labels, numbers = [], [], []
    for number, row in enumerate(rows, 1):
        if row.get(text_col) is None:
            known = ", ".join(str(name) for name in row)
            raise DataError(f"{path} row {number} has no column '{text_col}'; it has {known}. Name it with `text_col`.")
        label = None if label_col is None else row.get(label_col)
        if label_col is not None and label is None:
            known = ", ".join(str(name) for name in row)
            raise DataError(
                f"{path} row {number} has no column '{label_col}'; it has {known}. Name it with `label_col`."
            )
        texts.append(str(row[text_col]))
        labels.append(None if label is None else str(label).strip())
        numbers.append(number)
    if not texts:
        raise DataError(f"{path} has no rows below its header.")
    return Table(texts, labels, numbers, str(path))


def _csv_rows(path: Path, separator: str, encoding: str) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(MAX_FIELD)
    plain = separator == "\t"  # tab-separated corpora do not quote
    reader = csv.DictReader(
        (line + "\n" for line in read_lines(path, encoding)),
        delimiter=separator,
        quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
        restkey="(more)",
    )
    try:
        for row in reader:
            yield {str(name).strip(): value for name, value in row.items()}
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
