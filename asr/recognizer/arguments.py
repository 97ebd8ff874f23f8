"""What callers give to a recognizer, checked where it is taken: hotwords and settings of the search."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real

from asr.decode.hotwords import Hotword, Hotwords, as_hotwords
from asr.errors import ConfigError


def checked_hotwords(hotwords: Hotwords | None) -> tuple[Hotword, ...]:
    """Hotwords as `as_hotwords` gives them. Raises ConfigError for what are neither phrases nor boosts."""
    if hotwords is None or isinstance(hotwords, str):
        return as_hotwords(hotwords)
    if not isinstance(hotwords, Iterable):
        raise ConfigError(f"hotwords are a list of phrases, or phrases with boosts, not {hotwords!r}.")
    if isinstance(hotwords, Mapping):
        for boost in hotwords.values():
            if boost is not None and not _is_number(boost):
                raise ConfigError(f"the boost of a hotword must be a number of nats, not {boost!r}.")
    else:
        hotwords = list(hotwords)
    for phrase in hotwords:
        if not isinstance(phrase, str) and (isinstance(hotwords, Mapping) or not isinstance(phrase, Hotword)):
            raise ConfigError(f"a hotword must be a text, not {phrase!r}.")
    return as_hotwords(hotwords)


def checked_settings(settings: Mapping[str, float | None] | None) -> Mapping[str, float | None]:
    """Settings of the search; none for None. Raises ConfigError for values that are neither numbers nor None."""
    for name, value in (settings or {}).items():
        if value is not None and not _is_number(value):
            raise ConfigError(f"the setting '{name}' must be a number, not {value!r}.")
    return settings or {}


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not math.isnan(value)
