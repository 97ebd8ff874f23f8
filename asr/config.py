"""Configuration as data: frozen dataclasses, read from TOML, overridden by ``key=value``, written as JSON."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from asr.errors import ConfigError
from asr.text_file import read_text

T = TypeVar("T")

LARGEST = 1e15  # of any number in a configuration
_MAY_CHANGE = "may change"


def from_dict(cls: type[T], values: dict[str, Any], where: str = "") -> T:
    """The dataclass `cls`, made from nested dictionaries.

    where: prefix of the keys in messages. Raises ConfigError for a key that the dataclass lacks (naming those it has)
    or a value of the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{where}{key}"
        if key not in fields:
            known = ", ".join(sorted(fields))
            raise ConfigError(f"unknown configuration key '{name}'; known here: {known}.")
        arguments[key] = _convert(hints[key], value, name)
    return cls(**arguments)


def check_ranges(config: object, section: str, ranges: typing.Iterable[tuple[str, float, float]]) -> None:
    """Raise ConfigError for a number of a dataclass, or one of a list of them, that lies outside of its range.

    ranges: names of fields with the least and the greatest value. section: prefix of the keys in messages, `train.`.
    """
    for name, low, high in ranges:
        value = getattr(config, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not low <= number <= high:  # true of NaN
                wanted = f"lie in {low:g}..{high:g}" if high < LARGEST else f"be {low:g} or more"
                raise ConfigError(f"{section}{name} must {wanted}, not {number:g}.")


def _convert(hint: Any, value: Any, name: str) -> Any:
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise ConfigError(f"configuration key '{name}' must be a table, not {_shown(value)}.")
        return from_dict(hint, value, f"{name}.")
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        inner = [arm for arm in typing.get_args(hint) if arm is not type(None)]
        return _convert(inner[0], value, name)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"configuration key '{name}' must be a list, not {_shown(value)}.")
        inner_hint = typing.get_args(hint)[0]
        return tuple(_convert(inner_hint, item, name) for item in value)
    if hint in (int, float) and isinstance(value, (int, float)) and not abs(value) <= LARGEST:  # true of NaN
        raise ConfigError(f"configuration key '{name}' must be a number within {LARGEST:g} of 0.")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool) and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        raise ConfigError(f"configuration key '{name}' must be {hint.__name__}, not {_shown(value)}.")
    return value


def _shown(value: Any) -> str:
    """A value for a message, shortened. A whole number may have more digits than Python writes."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a very large number"
    return repr(value)[:60]


def to_dict(config: Any) -> dict[str, Any]:
    """The dataclass as plain dictionaries and lists, ready for JSON."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(config))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def may_change(default: T) -> T:
    """A field with a default, of a dataclass, that a training run may be continued with in another way.

    All other settings decide what its steps make of the weights.
    """
    return dataclasses.field(default=default, metadata={_MAY_CHANGE: True})


def lasting_settings(config: Any, where: str = "") -> dict[str, Any]:
    """The settings that a training run must be continued with, by their whole keys, as values of JSON.

    where: prefix of the keys, `train.`.
    """
    settings: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        name, value = f"{where}{field.name}", getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            settings |= lasting_settings(value, f"{name}.")
        elif _MAY_CHANGE not in field.metadata:
            settings[name] = _plain(value)
    return settings


def merge(values: dict[str, Any], changes: dict[str, Any]) -> None:
    """Put the changes into nested `values`."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            merge(values[key], value)
        else:
            values[key] = value


def read_toml(path: str | Path, overrides: typing.Sequence[str] = ()) -> dict[str, Any]:
    """The content of a TOML file as dictionaries, with ``section.key=value`` overrides applied in order.

    Raises ConfigError if the file is missing or not TOML, or an override is not ``key=value``.
    """
    try:
        values = tomllib.loads(read_text(path, "configuration", ConfigError))
    except (ValueError, RecursionError) as error:  # also of numbers with very many digits, and of nested lists
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None
    return with_overrides(values, overrides)


def with_overrides(values: dict[str, Any], overrides: typing.Sequence[str]) -> dict[str, Any]:
    """`values` after ``section.key=value`` overrides in order. Raises ConfigError for an override of another form."""
    for override in overrides:
        _apply_override(values, override)
    return values


def configured(cls: type[T], path: str | Path | None, overrides: typing.Sequence[str]) -> T:
    """The dataclass `cls` with its defaults, changed by a TOML file, if one is given, and then by overrides.

    Raises ConfigError as `read_toml` and `from_dict` do.
    """
    values = to_dict(cls())
    merge(values, read_toml(path) if path else {})
    return from_dict(cls, with_overrides(values, overrides))


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"the override '{override}' must have the form section.key=value.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text  # a bare word is a string: --set train.device=cpu
    *sections, last = key.strip().split(".")
    table = values
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"the override '{override}' cannot be applied: '{section}' is a value, not a section.")
    table[last] = value
