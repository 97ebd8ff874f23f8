"""A training run of a language model, from configuration and texts to a model folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from asr.config import to_dict
from asr.data.manifest import sentences
from asr.errors import ConfigError
from asr.lm.lstm.folder import load_lm, save_lm
from asr.lm.lstm.network import LstmLanguageModel, LstmLmConfig
from asr.lm.lstm.running_task import RunningTask, running_ids
from asr.lm.lstm.sentence_task import LmTask, Sentences, TextConfig, encode, vocabulary_of
from asr.text.lines import read_lines
from asr.text.lm_units import Units
from asr.text.normalize import CASES
from asr.train.config import TrainConfig
from asr.train.log import FinalLog, Report
from asr.train.loop import Trainer
from asr.train.processes import rank


@dataclass(frozen=True)
class LmRunConfig:
    """The whole configuration of `asr lm train`."""

    vocabulary: str = ""  # word list, other words are unknown; empty: all words of the text
    most_words: int = 0  # use only so many of the most frequent words; 0: all
    case: str = "lower"  # of the text: lower, upper or keep
    init: str = ""  # folder of a language model to start from; its words and units are used
    units: str = "words"  # or characters, or the path of a sentencepiece model (`asr tokens subwords`)
    model: LstmLmConfig = field(default_factory=LstmLmConfig)
    text: TextConfig = field(default_factory=TextConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


class LmRun:
    """Reads the texts, then trains and writes the model folder."""

    def __init__(self, config: LmRunConfig, train: list[Path], dev: Path, output: Path) -> None:
        """Raises TextError or ConfigError when the parts do not fit."""
        self.config, self.output = config, output
        change = CASES[config.case]

        if config.init and (config.vocabulary or config.most_words or config.units != "words"):
            raise ConfigError("init has its own words and units: leave out vocabulary, most_words and units.")
        initial = load_lm(config.init) if config.init else None
        self.units = initial.units if initial is not None else Units.read(config.units)
        if self.units is not None and config.vocabulary:
            raise ConfigError("a vocabulary lists words: leave it out with other units.")
        spell = self.units.spell if self.units is not None else str

        def lines(paths: list[Path]) -> Iterator[str]:
            return (spell(change(line)) for path in paths for line in sentences(path))

        if initial is not None:
            self.words = list(initial.words)
        else:
            allowed = [change(line.strip()) for line in read_lines(config.vocabulary)] if config.vocabulary else None
            self.words = vocabulary_of(lines(train), config.most_words, allowed)
        ids = {word: index for index, word in enumerate(self.words)}
        torch.manual_seed(config.train.seed)
        self.model = LstmLanguageModel(config.model, len(self.words))
        if initial is not None:
            self.model.load_arrays(initial.arrays, initial.source)
        seed = config.train.seed
        self.task: LmTask | RunningTask
        if config.text.running:
            texts = [running_ids(encode(lines(paths), ids, blank_lines=True)) for paths in (train, [dev])]
            self.trained_words = len(texts[0])
            self.task = RunningTask(self.model, texts[0], texts[1], config.text, seed)
        else:
            parts = [
                Sentences(encode(lines(paths), ids), config.text.max_words, " and ".join(map(str, paths)))
                for paths in (train, [dev])
            ]
            self.trained_words = len(parts[0].ids)
            self.task = LmTask(self.model, parts[0], parts[1], config.text, seed)

    def train(self, resume: bool = False, report: Report | None = None) -> FinalLog:
        """Train, write the model folder, return the final figures."""
        final = Trainer(self.task, self.config.train, self.output, report, self.config).run(resume)
        if rank() > 0:  # the first process writes for all
            return final
        arrays = {name: value.cpu().numpy() for name, value in self.model.state_dict().items()}
        save_lm(self.output, arrays, to_dict(self.config.model), self.words, units=self.units)
        return final
