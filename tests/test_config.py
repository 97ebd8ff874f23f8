"""Configurations that no parser survives, and values that nothing can have."""

from __future__ import annotations

import pytest

from asr.acoustic.config import AcousticConfig
from asr.config import from_dict, read_toml
from asr.errors import ConfigError


@pytest.mark.parametrize(
    "text", ["a = " + "9" * 5000, "a = " + "[" * 50_000, "a = 1\na = 2", "\x00", "a = 'b", "[a]\n[a]", "a = 1e"]
)
def test_texts_that_are_no_toml_are_named(tmp_path, text):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"c\.toml"):
        read_toml(tmp_path / "c.toml")


@pytest.mark.parametrize(
    ("key", "value"),
    [("hidden_size", 1 << 70), ("num_layers", float("nan")), ("dropout", float("inf")), ("dropout", 10**400),
     ("features.frame_length_ms", float("inf")), ("features.num_mel_bins", 1)],
)  # fmt: skip
def test_values_that_nothing_can_have_are_named(key, value):
    values: dict[str, object] = {key: value}
    if "." in key:
        section, name = key.split(".")
        values = {section: {name: value}}
    with pytest.raises(ConfigError, match=key.rpartition(".")[2]):
        from_dict(AcousticConfig, values)


def test_a_number_of_more_digits_than_can_be_written_is_named():
    for key in ("hidden_size", "features", "kind"):
        with pytest.raises(ConfigError, match=key):
            from_dict(AcousticConfig, {key: 10**5000})


def test_an_override_of_very_many_digits_is_a_text_of_the_wrong_kind(tmp_path):
    (tmp_path / "c.toml").write_text("hidden_size = 8")
    with pytest.raises(ConfigError, match="hidden_size"):
        from_dict(AcousticConfig, read_toml(tmp_path / "c.toml", ["hidden_size=" + "9" * 5000]))
