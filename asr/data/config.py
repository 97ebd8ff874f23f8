"""How training audio is grouped and cached."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataConfig:
    """How training data is grouped and kept in memory."""

    batch_seconds: float = 160.0  # of audio in one batch, padding included; longer utterances are named and left out
    min_fill: float = 0.95  # least share of a batch that is speech
    min_seconds: float = 0.1  # shorter utterances are named and left out
    max_seconds: float = 35.0  # longer utterances are named and left out
    cache_hours: float = 12.0  # of decoded audio in memory (115 MB an hour)
    sorted_epochs: int = 1  # first epochs that go from short to long (a curriculum)
