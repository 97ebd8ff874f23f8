"""Pictures by matplotlib, an optional package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asr.atomic_file import replacing
from asr.extras import require


def new_figure(width: float, height: float) -> Any:
    """A new matplotlib figure of a size in inches. Raises MissingPackageError if matplotlib is not installed."""
    figure = require("plot", "matplotlib.figure", "pictures")
    return figure.Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: Path, dpi: int = 110) -> None:
    """Write a figure whole or not at all, in the format of the path's suffix, PNG if it has none."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".") or "png", dpi=dpi)
