"""Pictures, where matplotlib is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asr.atomic_file import replacing
from asr.errors import ConfigError


def new_figure(width: float, height: float) -> Any:
    """A matplotlib figure of that size in inches. Raises ConfigError where there is no matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("pictures need matplotlib: pip install 'lstm-asr[plot]'.") from None
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: Path, dpi: int = 110) -> None:
    """Write a figure at once or not at all, in the format that the name says, PNG without one."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".") or "png", dpi=dpi)
