"""Pictures by matplotlib, an optional package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from asr.atomic_file import replacing
from asr.extras import require

SUFFIXES = frozenset(".png .svg .pdf .jpg .jpeg .webp .tif .tiff .eps .ps".split())  # of what matplotlib writes


class PicturePath(click.Path):
    """A path to write a picture to: a name of another kind is wrong usage, told before the work."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        suffix = Path(value).suffix
        if suffix and suffix.lower() not in SUFFIXES:
            self.fail(f"pictures are not written as {suffix}; let the name end in .png, .svg or .pdf.", param, ctx)
        return super().convert(value, param, ctx)


def new_figure(width: float, height: float) -> Any:
    """A new matplotlib figure of a size in inches. Raises MissingPackageError if matplotlib is not installed."""
    figure = require("plot", "matplotlib.figure", "pictures")
    return figure.Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: Path, dpi: int = 110) -> None:
    """Write a figure whole or not at all, in the format of the path's suffix, PNG if it has none."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".") or "png", dpi=dpi)
