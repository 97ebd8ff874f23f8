"""Files of n-gram models: ARPA, or columns by the name's end; read by what they hold."""

from __future__ import annotations

from pathlib import Path

from asr.lm.ngram.arpa import ArpaModel, StoredModel, read_arpa, write_arpa
from asr.lm.ngram.columns import SUFFIX, is_in_columns, read_columns, write_columns
from asr.unpacking import unpacked_name


def read_ngrams(path: str | Path) -> ArpaModel:
    """A model from an ARPA file or one in columns, packed or not. Raises TextError for anything else."""
    return read_columns(path) if is_in_columns(Path(path)) else read_arpa(path)


def write_ngrams(path: str | Path, model: StoredModel, decimals: int | None = None) -> None:
    """Write a model in columns if the name ends in `.ngrams` (or `.ngrams.xz` …), else as ARPA; atomically.

    decimals: of the log10 values; None: six significant digits in ARPA files, two decimals in columns.
    """
    write = write_columns if unpacked_name(Path(path)).suffix == SUFFIX else write_arpa
    write(path, model, decimals)
