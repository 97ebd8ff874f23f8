"""Where the transcripts of many files go: each has a name of its own, so that none replaces another."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import click

STDIN = "-"
LONGEST_STEM = 200  # bytes; file systems take 255 for a whole name
STDIN_NAME = Path("stdin")


def check_format(output: Path | None, named: str | None, asked: Iterable[str]) -> None:
    """Raise a usage error where --format asks for another format than `named`, the one of --output's name."""
    other = sorted(set(asked) - {named})
    if named is not None and other:
        raise click.UsageError(f"--output {output} is {named} by its name and --format says {other[0]}; leave one out.")


class AudioPath(NamedTuple):
    """An audio file, and the folder it was found in if a folder was named."""

    path: str
    root: str = ""

    @property
    def below_root(self) -> Path:
        """The path within the folder, or the file's name."""
        return Path(os.path.relpath(self.path, self.root)) if self.root else Path(Path(self.path).name)


def output_names(files: Sequence[AudioPath]) -> list[Path]:
    """Relative paths without format, all different, also where upper and lower case are the same.

    A file's is its stem, within the sub-folder that it has in the folder that was named; its name where stems are the
    same; where names are the same, its path within the folder that is common to all files; and else a number is added.
    """
    common = _common_folder([Path(os.path.abspath(file.path)).parent for file in files])
    forms: list[Callable[[AudioPath], Path]] = [
        lambda file: STDIN_NAME if file.path == STDIN else file.below_root.with_suffix(""),
        lambda file: STDIN_NAME if file.path == STDIN else file.below_root,
        lambda file: Path(os.path.relpath(os.path.abspath(file.path), common)) if common else file.below_root,
    ]
    names: list[Path] = [forms[0](file) for file in files]
    for form in forms[1:]:
        seen = _counts(names)
        names = [form(file) if seen[_key(name)] > 1 else name for file, name in zip(files, names, strict=True)]
    taken: set[str] = set()
    unique = []
    for name in names:
        number, candidate = 1, name
        while _key(candidate) in taken:
            number += 1
            candidate = name.with_name(f"{name.name}-{number}")
        taken.add(_key(candidate))
        unique.append(candidate)
    return unique


def journal_name(name: Path) -> Path:
    """Where an interrupted run keeps the words that it has, of the file that goes by `name`."""
    short = name.name
    if len(os.fsencode(short)) > LONGEST_STEM:
        short = hashlib.sha256(os.fsencode(short)).hexdigest()[:32]
    return name.with_name(f".{short}.partial.jsonl")


def _common_folder(folders: Sequence[Path]) -> str:
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:  # on different drives
        return ""


def _key(name: Path) -> str:
    return str(name).casefold()


def _counts(names: Sequence[Path]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[_key(name)] = counts.get(_key(name), 0) + 1
    return counts
