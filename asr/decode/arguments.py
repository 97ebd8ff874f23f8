"""What callers give to a recognizer or a search, checked where it is taken: hotwords, settings, whole numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real

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
        boost = phrase.boost if isinstance(phrase, Hotword) else None
        if boost is not None and not _is_number(boost):
            raise ConfigError(f"the boost of a hotword must be a number of nats, not {boost!r}.")
    return as_hotwords(hotwords)


def checked_settings(settings: Mapping[str, float | None] | None) -> Mapping[str, float | None]:
    """Settings of the search; none for None. Raises ConfigError for values that are neither numbers nor None."""
    if settings is not None and not isinstance(settings, Mapping):
        raise ConfigError(f"settings are a dictionary of names and numbers, not {settings!r}.")
    for name, value in (settings or {}).items():
        if value is not None and not _is_number(value):
            raise ConfigError(f"the setting '{name}' must be a number, not {value!r}.")
    return settings or {}


def check_whole(name: str, value: object, least: int) -> None:
    """Raise ConfigError for what is no whole number of at least `least`. name: as the caller knows it."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ConfigError(f"`{name}` must be a whole number of {least} or more, not {value!r}.")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not math.isnan(value)
