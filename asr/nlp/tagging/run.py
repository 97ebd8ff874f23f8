"""Training a tagger: from labelled texts to a model folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from asr.atomic_file import write_atomically
from asr.config import to_dict
from asr.nlp.tagging.config import TaggerConfig
from asr.nlp.tagging.network import TagNetwork
from asr.nlp.tagging.pauses import READ_SPEECH
from asr.nlp.tagging.tagger import save_tagger
from asr.nlp.tagging.task import PauseConfig, SequenceConfig, TagTask
from asr.nlp.tagging.text import TaggedText
from asr.nlp.words import PADDING, UNKNOWN
from asr.train.config import TrainConfig
from asr.train.log import FinalLog, Report
from asr.train.loop import Trainer


def _default_training() -> TrainConfig:
    return TrainConfig(epochs=1, peak_lr=3e-3, average=1, weight_decay=1e-3, warmup_share=0.05)


@dataclass(frozen=True)
class TaggerRunConfig:
    """The whole configuration of `asr nlp tag train`; what `model.outputs` are the texts say."""

    model: TaggerConfig = field(default_factory=TaggerConfig)
    sequences: SequenceConfig = field(default_factory=SequenceConfig)
    pauses: PauseConfig = field(default_factory=lambda: PauseConfig(quantiles=READ_SPEECH))
    train: TrainConfig = field(default_factory=_default_training)
    most_words: int = 16_000  # in the vocabulary
    min_count: int = 3  # least count of a word in the vocabulary
    bits: int = 8  # of the stored weights: 8, 16 or 32


def train_tagger(
    config: TaggerRunConfig, train: TaggedText, dev: TaggedText, outputs: dict[str, list[str]], output: Path,
    resume: bool = False, report: Report | None = None,
) -> FinalLog:  # fmt: skip
    """Train on labelled text, write the folder, return the final figures. outputs: the labels of each column."""
    counts = train.counts()
    order = np.argsort(-counts, kind="stable")[: config.most_words]
    words = [train.types[place] for place in order.tolist() if counts[place] >= config.min_count]
    torch.manual_seed(config.train.seed)
    model_config = replace(config.model, outputs=outputs)
    network = TagNetwork(model_config, len(words) + 2)
    task = TagTask(
        network, [PADDING, UNKNOWN, *words], train, dev, config.sequences,
        config.pauses if config.pauses.quantiles else None, config.train.seed,
    )  # fmt: skip
    trainer = Trainer(task, config.train, output, report)
    settings = json.dumps(to_dict(replace(config, model=model_config)), indent=2) + "\n"
    write_atomically(output / "training" / "config.json", settings.encode())
    final = trainer.run(resume)
    arrays = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
    save_tagger(output, model_config, words, arrays, config.bits)
    return final
