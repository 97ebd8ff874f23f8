"""Training a voice-activity detector: from manifests to a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from asr.activity.config import ActivityConfig
from asr.activity.detector import save_detector
from asr.activity.network import ActivityNetwork
from asr.activity.task import SPOKEN, ActivityTask, ExampleConfig
from asr.audio.augment import AugmentConfig
from asr.config import may_change
from asr.data.manifest import Utterance
from asr.errors import DataError
from asr.train.config import TrainConfig
from asr.train.log import FinalLog, Report
from asr.train.loop import Trainer


def _default_training() -> TrainConfig:
    return TrainConfig(epochs=4, peak_lr=5e-3, average=1, warmup_share=0.05)


def _default_augmentation() -> AugmentConfig:
    return AugmentConfig(
        speeds=(), reverb_probability=0.15, room_probability=0.15, noise_probability=0.3,
        recorded_snr_db=(0.0, 25.0), noise_snr_db=(0.0, 30.0), clipping_probability=0.05, telephone_probability=0.1,
        messenger_probability=0.03, gain_probability=0.6, gain_db=(-30.0, 15.0), low_pass_probability=0.05,
        codec_probability=0.1,
    )  # fmt: skip


@dataclass(frozen=True)
class ActivityRunConfig:
    """The whole configuration of `asr vad train`."""

    model: ActivityConfig = field(default_factory=ActivityConfig)
    examples: ExampleConfig = field(default_factory=ExampleConfig)
    augment: AugmentConfig = field(default_factory=_default_augmentation)
    dev_kinds: tuple[str, ...] = ()  # of noise, for the validation examples; empty: those of `augment`
    train: TrainConfig = field(default_factory=_default_training)
    cache_hours: float = may_change(10.0)  # of audio held in memory
    bits: int = may_change(8)  # of the stored weights: 8, 16 or 32


def train_detector(
    config: ActivityRunConfig, train: Sequence[Utterance], dev: Sequence[Utterance], output: Path,
    resume: bool = False, report: Report | None = None,
) -> FinalLog:  # fmt: skip
    """Train on utterances whose `spoken` says when words are spoken, write the folder, return the final figures.

    Raises DataError where there are none.
    """
    for name, utterances in (("train", train), ("validate", dev)):
        if not any(utterance.extra.get(SPOKEN) for utterance in utterances):
            raise DataError(f"there is no speech to {name} on.")
    torch.manual_seed(config.train.seed)
    network = ActivityNetwork(config.model)
    task = activity_task(config, network, train, dev)
    final = Trainer(task, config.train, output, report, config).run(resume)
    arrays = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
    save_detector(output, config.model, arrays, config.bits)
    return final


def activity_task(
    config: ActivityRunConfig, network: ActivityNetwork, train: Sequence[Utterance], dev: Sequence[Utterance]
) -> ActivityTask:
    """The task of a configuration; the validation examples have the noise of `dev_kinds`."""
    dev_augment = AugmentConfig(
        **{**vars(config.augment), "noise_kinds": config.dev_kinds or config.augment.noise_kinds}
    )
    return ActivityTask(
        network, train, dev, config.examples, config.augment, dev_augment, config.cache_hours, config.train.seed
    )
