"""Training a tagger: from labelled texts to a model folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from asr.config import may_change
from asr.errors import ConfigError
from asr.model_folder import from_stored
from asr.nlp.tagging.config import FIRST_WORD_ID, TaggerConfig
from asr.nlp.tagging.network import TagNetwork
from asr.nlp.tagging.pauses import READ_SPEECH
from asr.nlp.tagging.tagger import Tagger, save_tagger
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
    bits: int = may_change(8)  # of the stored weights: 8, 16 or 32
    init: str = ""  # folder of a tagger to start from; its words, sizes and labels are used


def train_tagger(
    config: TaggerRunConfig, train: TaggedText, dev: TaggedText, outputs: dict[str, list[str]], output: Path,
    resume: bool = False, report: Report | None = None,
) -> FinalLog:  # fmt: skip
    """Train on labelled text, write the folder, return the final figures. outputs: the labels of each column."""
    torch.manual_seed(config.train.seed)
    network, words = _start(config, train, outputs)
    model_config = network.config
    task = TagTask(
        network, [PADDING, UNKNOWN, *words], train, dev, config.sequences,
        config.pauses if config.pauses.quantiles else None, config.train.seed,
    )  # fmt: skip
    final = Trainer(task, config.train, output, report, replace(config, model=model_config)).run(resume)
    arrays = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
    save_tagger(output, model_config, words, arrays, config.bits)
    return final


def _start(
    config: TaggerRunConfig, train: TaggedText, outputs: Mapping[str, Sequence[str]]
) -> tuple[TagNetwork, list[str]]:
    """The network before training, and its vocabulary without the two first ids."""
    if not config.init:
        counts = train.counts()
        order = np.argsort(-counts, kind="stable")[: config.most_words]
        words = [train.types[place] for place in order.tolist() if counts[place] >= config.min_count]
        return TagNetwork(replace(config.model, outputs=outputs), len(words) + FIRST_WORD_ID), words
    first = Tagger.open(config.init)
    if {name: list(labels) for name, labels in first.config.outputs.items()} != {
        n: list(v) for n, v in outputs.items()
    }:
        raise ConfigError(f"{config.init} is a tagger of other labels than the text has.")
    words = list(first.vocabulary)
    sizes = replace(first.config, dropout=config.model.dropout, word_dropout=config.model.word_dropout)
    network = TagNetwork(sizes, len(words) + FIRST_WORD_ID)
    arrays = from_stored(first.arrays)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    return network, words
