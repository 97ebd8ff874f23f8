"""The reference of configuration keys, from the dataclasses."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asr.acoustic.run import AcousticRunConfig
from asr.config import from_dict, read_toml, to_dict
from asr.config_reference import Key, as_markdown, as_toml, describe_keys
from asr.errors import ConfigError
from asr.shipped import available_configurations, configuration_path

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"


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


def test_every_key_of_training_has_a_meaning():
    assert [key.name for key in describe_keys(AcousticRunConfig) if not key.meaning] == []


def test_the_printed_configuration_is_that_of_the_defaults(run):
    code, out, _ = run("train", "--show-config")
    assert code == 0
    assert from_dict(AcousticRunConfig, tomllib.loads(out)) == AcousticRunConfig()
    flat = {key.name for key in describe_keys(AcousticRunConfig)}
    assert flat == set(_names(to_dict(AcousticRunConfig())))


def _names(values, where=""):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _names(value, f"{where}{name}.")
        else:
            yield where + name


def test_the_page_of_the_reference_is_current():
    text = PAGE.read_text()
    table = as_markdown(AcousticRunConfig)
    assert table in text, f"write {PAGE.name} anew: python tools/configuration_page.py"
    assert as_toml(AcousticRunConfig).count("\n") >= table.count("\n") - 2


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
