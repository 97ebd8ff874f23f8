"""The reference of configuration keys, from the dataclasses."""

import importlib.util
import json
import re
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path

import pytest

from asr.acoustic.run import AcousticRunConfig
from asr.activity.run import ActivityRunConfig
from asr.config import from_dict, merge, read_toml, to_dict
from asr.config_reference import Key, describe_keys
from asr.errors import ConfigError
from asr.lm.lstm.run import LmRunConfig
from asr.nlp.run import ClassifierRunConfig
from asr.nlp.tagging.run import TaggerRunConfig
from asr.shipped import available_configurations, configuration_path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "configuration.md"
_spec = importlib.util.spec_from_file_location("configuration_page", ROOT / "tools" / "configuration_page.py")
page = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(page)


@dataclass(frozen=True)
class Inner:
    """Not described."""

    size: int = 3  # of it
    names: tuple[str, ...] = ("a", "b")
    # Several lines
    # above it.
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    """Described."""

    inner: Inner = field(default_factory=Inner)
    plain_seconds: float = 1e-3  # how long
    on: bool = True


def test_comments_become_meanings_and_names_units():
    assert list(describe_keys(Outer)) == [
        Key("inner.size", "3", "", "of it"),
        Key("inner.names", '["a", "b"]', "", ""),
        Key("inner.share", "0.5", "", "Several lines above it."),
        Key("plain_seconds", "0.001", "s", "how long"),
        Key("on", "true", "", ""),
    ]


@pytest.mark.parametrize("part", page.PARTS, ids=lambda part: part[0])
def test_every_key_has_a_meaning_and_stands_in_the_reference(part):
    _, _, cls, where = part
    keys = {key.name: key.meaning for key in describe_keys(cls, where)}
    assert [name for name, meaning in keys.items() if not meaning] == []
    tables = ("pauses.quantiles.", "model.outputs.")  # of numbers, and of what the texts say
    assert {where + name for name in _names(to_dict(cls())) if not name.startswith(tables)} == set(keys)


@pytest.mark.parametrize(
    ("command", "cls"),
    [("train", AcousticRunConfig), ("lm train", LmRunConfig), ("nlp train", ClassifierRunConfig),
     ("nlp tag train", TaggerRunConfig), ("vad train", ActivityRunConfig)],
)  # fmt: skip
def test_the_printed_configuration_is_that_of_the_defaults(run, command, cls):
    code, out, _ = run(*command.split(), "--show-config")
    assert code == 0
    printed = to_dict(cls())
    merge(printed, tomllib.loads(out))
    assert json.dumps(to_dict(from_dict(cls, printed))) == json.dumps(to_dict(cls()))
    assert set(_names(tomllib.loads(out))) == {key.name for key in describe_keys(cls)}


def test_no_dataclass_of_settings_is_left_out_of_the_reference():
    """Those of a training or a command; `RecurrentConfig` is set by the method's name, `BeamConfig` by options."""
    sources = (path.read_text() for path in (ROOT / "asr").rglob("*.py"))
    found = {name for source in sources for name in re.findall(r"^class (\w+Config)\b", source, re.M)}
    shown = {type(value).__name__ for _, _, cls, _ in page.PARTS for value in _within(cls())}
    assert found - shown == {"RecurrentConfig", "BeamConfig"}


def _within(value):
    if is_dataclass(value):
        yield value
        for field_ in fields(value):
            yield from _within(getattr(value, field_.name))


def _names(values, where=""):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _names(value, f"{where}{name}.")
        else:
            yield where + name


def test_the_page_of_the_reference_is_current():
    assert PAGE.read_text() == page.page(), f"write {PAGE.name} anew: python tools/configuration_page.py"


@pytest.mark.parametrize("name", available_configurations())
def test_shipped_configurations_can_be_used(name):
    from_dict(AcousticRunConfig, read_toml(configuration_path(name)))


def test_a_configuration_that_is_not_there_is_named(run, tmp_path):
    with pytest.raises(ConfigError, match=r"there is no configuration 'block'; .*blocks"):
        configuration_path("block")
    assert configuration_path(tmp_path / "own.toml") == tmp_path / "own.toml"
    code, _, errors = run("train", "--config", "bloks", "--train", "a", "--dev", "b", "--output", tmp_path / "m")
    assert code == 2
    assert "bloks" in errors
