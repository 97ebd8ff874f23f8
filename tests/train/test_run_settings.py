from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from asr.acoustic.config import AcousticConfig
from asr.acoustic.run import AcousticRunConfig
from asr.activity.run import ActivityRunConfig
from asr.audio.augment import AugmentConfig
from asr.audio.feature_config import FeatureConfig
from asr.config import lasting_settings, to_dict
from asr.config_reference import describe_keys
from asr.data.config import DataConfig
from asr.errors import CheckpointError
from asr.lm.lstm.run import LmRunConfig
from asr.lm.lstm.sentence_task import TextConfig
from asr.nlp.run import ClassifierRunConfig
from asr.nlp.tagging.run import TaggerRunConfig
from asr.train.config import TrainConfig
from asr.train.run_settings import RunSettings

ACOUSTIC = AcousticRunConfig()
OF_TRAINING = {
    "train.average", "train.checkpoint_seconds", "train.device", "train.patience", "train.stop_epoch", "train.threads",
    "train.validate_every",
}  # fmt: skip


def _settings(path: Path, whole) -> RunSettings:
    return RunSettings(path, whole.train, whole)


@pytest.mark.parametrize(
    ("begun", "now", "named"),
    [
        (ACOUSTIC, replace(ACOUSTIC, augment=AugmentConfig(speeds=(1.0,))),
         "augment.speeds = [0.9, 1.0, 1.1], not [1.0];"),
        (ACOUSTIC, replace(ACOUSTIC, model=AcousticConfig(dropout=0.0)), "model.dropout = 0.2, not 0.0;"),
        (ACOUSTIC, replace(ACOUSTIC, model=AcousticConfig(features=FeatureConfig(normalize="speech"))),
         'model.features.normalize = "utterance", not "speech";'),
        (ACOUSTIC, replace(ACOUSTIC, data=DataConfig(batch_seconds=80.0)), "data.batch_seconds = 160.0, not 80.0;"),
        (LmRunConfig(), replace(LmRunConfig(), text=TextConfig(batch_words=64)), "text.batch_words = 2048, not 64;"),
        (LmRunConfig(), LmRunConfig(case="upper"), 'case = "lower", not "upper";'),
        (ACOUSTIC, replace(ACOUSTIC, init="english"), 'init = "", not "english";'),
        (ACOUSTIC, replace(ACOUSTIC, train=TrainConfig(peak_lr=0.1)), "train.peak_lr = 0.002, not 0.1;"),
    ],
)  # fmt: skip
def test_another_setting_is_named_with_both_values(tmp_path, begun, now, named):
    path = tmp_path / "config.json"
    _settings(path, begun).write()
    _settings(path, begun).check(tmp_path)
    with pytest.raises(CheckpointError) as error:
        _settings(path, now).check(tmp_path)
    assert f"{tmp_path} was trained with {named} use the same configuration" in str(error.value)


@pytest.mark.parametrize(
    ("config", "may_change"),
    [
        (AcousticRunConfig, OF_TRAINING | {"data.cache_hours"}),
        (LmRunConfig, OF_TRAINING),
        (ClassifierRunConfig, OF_TRAINING | {"keep"}),
        (TaggerRunConfig, OF_TRAINING | {"bits"}),
        (ActivityRunConfig, OF_TRAINING | {"bits", "cache_hours"}),
    ],
)
def test_only_what_changes_no_step_may_change(config, may_change):
    every = {key.name for key in describe_keys(config)}
    assert every - set(lasting_settings(config())) == may_change


def test_a_file_that_has_moved_may_be_said_to_have(tmp_path):
    path, moved = tmp_path / "config.json", tmp_path / "tokens.txt"
    moved.touch()
    _settings(path, replace(ACOUSTIC, tokens="old/tokens.txt")).write()
    now = _settings(path, replace(ACOUSTIC, tokens=str(moved)))
    with pytest.raises(CheckpointError, match=r"if it has only moved, write its new place into .*config\.json"):
        now.check(tmp_path)
    path.write_text(path.read_text().replace("old/tokens.txt", str(moved)))
    now.check(tmp_path)


def test_what_an_older_version_did_not_write_is_taken_for_the_same(tmp_path):
    path = tmp_path / "config.json"
    settings = _settings(path, ACOUSTIC)
    settings.check(tmp_path)  # there is no file
    older = to_dict(ACOUSTIC)
    del older["augment"], older["train"]["optimizer"]
    older["model"]["layers"] = 5  # a key of before
    path.write_text(json.dumps(older))
    settings.check(tmp_path)
    _settings(path, replace(ACOUSTIC, train=TrainConfig(optimizer="sgd"))).check(tmp_path)
    for content in ("null", "[]", '{"model": 3}'):
        path.write_text(content)
        settings.check(tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json is damaged"):
        _settings(path, ACOUSTIC).check(tmp_path)


def test_long_settings_are_shortened(tmp_path):
    @dataclass(frozen=True)
    class Labels:
        labels: dict[str, list[str]]
        train: TrainConfig = field(default_factory=TrainConfig)

    path = tmp_path / "config.json"
    _settings(path, Labels({"marks": ["."] * 1000})).write()
    with pytest.raises(CheckpointError) as error:
        _settings(path, Labels({"marks": [","]})).check(tmp_path)
    assert len(str(error.value)) < 500
