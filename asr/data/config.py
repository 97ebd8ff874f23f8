"""How training audio is grouped and cached."""

from __future__ import annotations

from dataclasses import dataclass

from asr.config import LARGEST, check_ranges, may_change
from asr.errors import ConfigError

RANGES = (
    ("min_fill", 0, 1), ("min_seconds", 0, LARGEST), ("cache_hours", 0, LARGEST), ("sorted_epochs", 0, LARGEST),
)  # fmt: skip


@dataclass(frozen=True)
class DataConfig:
    """How training data is grouped and kept in memory."""

    batch_seconds: float = 160.0  # of audio in one batch, padding included; longer utterances are named and left out
    min_fill: float = 0.95  # least share of a batch that is speech
    min_seconds: float = 0.1  # shorter utterances are named and left out
    max_seconds: float = 35.0  # longer utterances are named and left out
    cache_hours: float = may_change(12.0)  # of decoded audio in memory (115 MB an hour)
    sorted_epochs: int = 1  # first epochs that go from short to long (a curriculum)

    def __post_init__(self) -> None:
        check_ranges(self, "data.", RANGES)
        if not self.batch_seconds > 0 or not self.max_seconds > self.min_seconds:
            raise ConfigError("data.batch_seconds must be above 0, and data.max_seconds above data.min_seconds.")
