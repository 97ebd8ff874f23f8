"""A training run from configuration and manifests to a model folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from asr.acoustic.checkpoint import load_network, save_checkpoint
from asr.acoustic.config import AcousticConfig
from asr.acoustic.criteria.build import build_criterion
from asr.acoustic.criteria.config import CriterionConfig
from asr.acoustic.criteria.ctc import frames_needed
from asr.acoustic.network import AcousticModel
from asr.acoustic.task import CtcTask
from asr.audio.augment import AugmentConfig
from asr.data.config import DataConfig
from asr.data.manifest import BadItem, Manifest, Utterance
from asr.data.references import encode_references, within_limits
from asr.errors import CheckpointError, ConfigError, TextError
from asr.shipped import model_folder
from asr.text.lexicon import Lexicon, read_spelled
from asr.text.tokens import Tokens
from asr.train import processes
from asr.train.config import TrainConfig
from asr.train.log import FinalLog, Report
from asr.train.loop import Trainer


@dataclass(frozen=True)
class AcousticRunConfig:
    """The whole configuration of `asr train`."""

    tokens: str = ""  # path of tokens.txt; empty: English characters
    lexicon: str = ""  # path of lexicon.txt that spells the references; empty: by characters
    spelled: str = ""  # path of spelled.txt, which of a word's spellings an utterance has; empty: the lexicon's first
    init: str = ""  # model folder, or a shipped model by name, to start from; blocks it lacks add nothing at first
    model: AcousticConfig = field(default_factory=AcousticConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    criterion: CriterionConfig = field(default_factory=CriterionConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


class AcousticRun:
    """Prepares a run (reading nothing but manifests and token files), then trains and writes the model folder."""

    def __init__(self, config: AcousticRunConfig, train: Manifest, dev: Manifest, output: Path) -> None:
        """Raises ConfigError, TextError or CheckpointError when the parts do not fit."""
        self.config, self.output = config, output
        self.tokens = Tokens.read(config.tokens) if config.tokens else Tokens.characters()
        self.lexicon = Lexicon.read(config.lexicon) if config.lexicon else None
        if self.lexicon is None and not self.tokens.spells_words:
            raise ConfigError(f"{config.tokens} are phones: name the lexicon that spells words in them.")
        spelled = read_spelled(config.spelled, self.tokens) if config.spelled else None
        train_items, bad_train = encode_references(train, self.tokens, self.lexicon, spelled)
        dev_items, bad_dev = encode_references(dev, self.tokens, self.lexicon, spelled)
        if not train_items or not dev_items:
            first = (bad_train + bad_dev)[0]
            raise TextError(f"no utterance of one of the manifests can be spelled in the tokens; first: {first}.")
        torch.manual_seed(config.train.seed)
        self.model = AcousticModel(config.model, len(self.tokens))
        if config.init:
            self._start_from(model_folder(config.init))
        train_items, too_long = within_limits(train_items, config.data)
        criterion = build_criterion(config.criterion, self.tokens, self.lexicon, train_items)
        self.task = CtcTask(
            self.model, train_items, dev_items, config.data, config.augment, criterion, config.train.seed
        )  # fmt: skip
        self.bad = bad_train + bad_dev + too_long
        self.cramped = self._cramped()

    @property
    def trained_on(self) -> list[Utterance]:
        """The utterances that are trained on."""
        return [utterance for utterance, _ in self.task.train]

    @property
    def unreadable(self) -> dict[str, str]:
        """Reasons by id of the utterances met so far that cannot be read."""
        return self.task.unreadable

    @property
    def cramped_when_faster(self) -> list[str]:
        """Ids of the utterances whose tokens did not fit their frames when they were played faster."""
        return sorted(self.task.infeasible - {item.where for item in self.cramped})

    def _described(self) -> dict[str, Any]:
        """What the model folder says of the training."""
        speakers = {utterance.speaker for utterance in self.trained_on if utterance.speaker}
        seconds = sum(utterance.duration for utterance in self.trained_on)
        return {
            "criterion": self.config.criterion.kind, "init": self.config.init, "utterances": len(self.trained_on),
            "hours": round(seconds / 3600, 3), "speakers": len(speakers),
        }  # fmt: skip

    def _start_from(self, folder: Path) -> None:
        initial = load_network(folder)
        try:
            if initial.package.tokens.digest != self.tokens.digest:
                raise RuntimeError
            self.model.start_from(initial.model.state_dict())
        except RuntimeError:
            raise CheckpointError(f"{folder} has other tokens or sizes than this configuration asks for.") from None

    def _cramped(self) -> list[BadItem]:
        """Utterances whose tokens do not fit their frames at normal speed: their CTC loss would be infinite."""
        frame, rate = self.config.model.seconds_per_frame, self.config.model.features.sample_rate
        cramped = []
        for utterance, target in self.task.train:
            frames = int(self.model.output_lengths(torch.tensor(int(utterance.duration * rate))))
            if frames_needed(target) > frames:
                reason = (
                    f"{frames_needed(target)} tokens and separators need more than its {frames} frames of {frame:g} s"
                )
                cramped.append(BadItem(utterance.id, reason + "; a smaller model.subsampling would keep it"))
        return cramped

    def train(self, resume: bool = False, report: Report | None = None) -> FinalLog:
        """Train, write the model folder, return the final figures.

        Where several processes train together, all but the first return no figures and write nothing.
        """
        final = Trainer(self.task, self.config.train, self.output, report, self.config).run(resume)
        self.task.infeasible = set().union(*processes.gather(self.task.infeasible))
        for other in processes.gather(self.task.unreadable):
            self.task.unreadable.update(other)
        if processes.rank() > 0:
            return final
        save_checkpoint(self.output, self.model.cpu(), self.tokens, self.lexicon, training=self._described())
        return final
