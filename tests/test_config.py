"""Configurations that no parser survives, and values that nothing can have."""

from __future__ import annotations

import re

import pytest

from asr.acoustic.config import AcousticConfig
from asr.acoustic.run import AcousticRunConfig
from asr.config import from_dict, read_toml, with_overrides
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


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.clip_norm=-1", "train.clip_norm must be above 0"),  # it turned the gradient round
        ("train.weight_decay=-1", "train.weight_decay must lie in 0..100, not -1"),
        ("train.betas=[0.9]", "two numbers from 0 to below 1"),
        ("train.seed=-1", "train.seed must lie in"),
        ("train.threads=-1", "train.threads must lie in"),
        ("train.patience=-1", "train.patience must be 0 or more"),
        ("data.batch_seconds=0", "data.batch_seconds must be above 0"),
        ("data.min_fill=2", "data.min_fill must lie in 0..1"),
        ("data.max_seconds=0.05", "data.max_seconds above data.min_seconds"),
        ("criterion.beam_size=0", "criterion.beam_size must lie in 1..100000"),
        ("criterion.ctc_share=-0.1", "criterion.ctc_share must be 0 or more"),
        ("augment.speeds=[0]", "augment.speeds must lie in 0.1..10, not 0"),
        ("augment.noise_snr_db=[]", "augment.noise_snr_db is empty"),
        ("augment.clipping_share=[]", "augment.clipping_share is empty"),
        ("augment.freq_mask_bins=-1", "augment.freq_mask_bins must be 0 or more"),
        ("augment.codec_compression=[0.4, 1.0]", "augment.codec_compression must lie in 0..0.999, not 1"),
        ("augment.recorded_probability=0.5", "augment.noise_folder"),
    ],
)
def test_values_with_which_training_cannot_go_well_are_refused_at_once(override, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        from_dict(AcousticRunConfig, with_overrides({}, [override]))
