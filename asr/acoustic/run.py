"""A training run from configuration and manifests to a model folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from asr.acoustic.checkpoint import AcousticCheckpoint, load_checkpoint, save_checkpoint
from asr.acoustic.config import GAUSSIAN, AcousticConfig
from asr.acoustic.criteria.expected_errors import ExpectedErrors
from asr.acoustic.evaluate import greedy_evaluator, search_evaluator
from asr.acoustic.network import AcousticModel
from asr.acoustic.task import CriterionConfig, CtcTask, DataConfig, Evaluate, ctc_losses, frames_needed
from asr.atomic_file import write_atomically
from asr.audio.augment import AugmentConfig
from asr.config import to_dict
from asr.data.manifest import BadItem, Manifest, Utterance
from asr.decode.beam import BeamConfig, BeamDecoder
from asr.errors import CheckpointError, ConfigError, TextError
from asr.gmm.training import train_gaussians
from asr.lm.ngram.tables import load_ngram
from asr.text.lexicon import Lexicon, read_spelled
from asr.text.tokens import Tokens
from asr.train import processes
from asr.train.config import TrainConfig
from asr.train.log import FinalLog, Report
from asr.train.loop import Trainer

Items = list[tuple[Utterance, list[int]]]


@dataclass(frozen=True)
class AcousticRunConfig:
    """The whole configuration of `asr train`."""

    tokens: str = ""  # path of tokens.txt; empty: English characters
    lexicon: str = ""  # path of lexicon.txt that spells the references; empty: by characters
    spelled: str = ""  # path of spelled.txt, which of a word's spellings an utterance has; empty: the lexicon's first
    init: str = ""  # model folder to start from
    model: AcousticConfig = field(default_factory=AcousticConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    criterion: CriterionConfig = field(default_factory=CriterionConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def encode_references(
    manifest: Manifest, tokens: Tokens, lexicon: Lexicon | None, spelled: Mapping[str, list[int]] | None = None
) -> tuple[Items, list[BadItem]]:
    """Utterances with their target ids; those without text, or with a text that cannot be spelled, are named.

    spelled: target ids by id, of utterances that need not be spelled any more.
    """
    good: Items = []
    bad: list[BadItem] = []
    for utterance in manifest.utterances:
        try:
            good.append((utterance, _encode(utterance, tokens, lexicon, spelled or {})))
        except TextError as error:
            bad.append(BadItem(utterance.id, str(error)))
    return good, bad


def _encode(
    utterance: Utterance, tokens: Tokens, lexicon: Lexicon | None, spelled: Mapping[str, list[int]]
) -> list[int]:
    if utterance.text is None:
        raise TextError("it has no text")
    ids = spelled.get(utterance.id)
    if ids is None:
        return tokens.encode(utterance.text) if lexicon is None else lexicon.encode(utterance.text, tokens)
    if tokens.boundary is not None and ids.count(tokens.boundary) != len(utterance.text.split()):
        raise TextError("its text and what it is spelled in are not of as many words")
    return ids


class AcousticRun:
    """Prepares a run (reading nothing but manifests and token files), then trains and writes the model folder."""

    def __init__(self, config: AcousticRunConfig, train: Manifest, dev: Manifest, output: Path) -> None:
        """Raises ConfigError, TextError or CheckpointError when the parts do not fit."""
        self.config, self.output = config, output
        self.tokens = Tokens.read(config.tokens) if config.tokens else Tokens.characters()
        self.lexicon = Lexicon.read(config.lexicon) if config.lexicon else None
        if self.lexicon is None and not self.tokens.are_characters:
            raise ConfigError(f"{config.tokens} are not characters: name the lexicon that spells words in them.")
        spelled = read_spelled(config.spelled, self.tokens) if config.spelled else None
        train_items, bad_train = encode_references(train, self.tokens, self.lexicon, spelled)
        dev_items, bad_dev = encode_references(dev, self.tokens, self.lexicon, spelled)
        if not train_items or not dev_items:
            first = (bad_train + bad_dev)[0]
            raise TextError(f"no utterance of one of the manifests can be spelled in the tokens; first: {first}.")
        if config.model.kind == GAUSSIAN and (self.lexicon is None or self.tokens.boundary is not None):
            raise ConfigError("model.kind = 'gaussian' needs a lexicon of states, from asr tokens lexicon --states 3.")
        torch.manual_seed(config.train.seed)
        self.model = AcousticModel(config.model, len(self.tokens))
        if config.init:
            self._start_from(Path(config.init))
        self._expected = self._expected_errors() if config.criterion.kind == "mwer" else None
        self.task = CtcTask(
            self.model,
            train_items,
            dev_items,
            config.data,
            config.augment,
            self._evaluator(dev_items),
            self._metric(),
            config.train.seed,
            config.criterion,
            self._expected,
        )
        self.bad = bad_train + bad_dev + self.task.too_long
        self.cramped = self._cramped(self.task.train)

    def _metric(self) -> str:
        """What says which weights are best: errors of the best path, which CTC-CRF, made to go with a language model,
        is not trained for: its own loss there."""
        if self.config.criterion.kind == "crf":
            return "crf"
        if self._expected is not None:
            return "wer"
        return "wer" if self.tokens.are_characters else "ter"

    def _expected_errors(self) -> ExpectedErrors:
        criterion = self.config.criterion
        if not criterion.lm:
            raise ConfigError("criterion.kind = 'mwer' needs criterion.lm, the language model of its search.")
        model = load_ngram(criterion.lm)
        lexicon = Lexicon.read(criterion.lexicon) if criterion.lexicon else self.lexicon
        if lexicon is None:
            lexicon = Lexicon.of_characters((word for word in model.words if not word.startswith("<")), self.tokens)
        settings = BeamConfig(criterion.lm_weight, criterion.word_score, criterion.beam_size)
        decoder = BeamDecoder(self.tokens, lexicon, model, settings)
        return ExpectedErrors(decoder, ctc_losses, criterion.hypotheses)

    def _evaluator(self, dev: Items) -> Evaluate:
        """Errors of the best path; of the search where it takes part in the training."""
        if self._expected is None:
            return greedy_evaluator(dev, self.tokens)
        return search_evaluator(dev, self._expected.decoder)

    def _start_from(self, folder: Path) -> None:
        initial = load_checkpoint(folder)
        try:
            if initial.tokens.digest != self.tokens.digest:
                raise RuntimeError
            self.model.take(initial.model.state_dict())
        except RuntimeError:
            raise CheckpointError(f"{folder} has other tokens or sizes than this configuration asks for.") from None

    def _cramped(self, items: Any) -> list[BadItem]:
        """Utterances whose tokens do not fit their frames at normal speed: their CTC loss would be infinite."""
        frame = self.config.model.seconds_per_frame
        features = self.config.model.features
        found = []
        for utterance, target in items:
            frames = self.model.features.frame_lengths(torch.tensor(int(utterance.duration * features.sample_rate)))
            have = int(self.model.front.output_lengths(frames))
            if frames_needed(target) > have:
                reason = (
                    f"{frames_needed(target)} tokens and separators need more than its {have} frames of {frame:g} s"
                )
                found.append(BadItem(utterance.id, reason + "; a smaller model.subsampling would keep it"))
        return found

    def train(self, resume: bool = False, report: Report | None = None) -> FinalLog:
        """Train, write the model folder, return the final figures.

        Where several processes train together, all but the first return no figures and write nothing.
        """
        if self.model.mixtures is not None:
            return self._train_gaussians(report)
        trainer = Trainer(self.task, self.config.train, self.output, report)
        if processes.rank() == 0:
            settings = json.dumps(to_dict(self.config), indent=2) + "\n"
            write_atomically(self.output / "training" / "config.json", settings.encode())
        final = trainer.run(resume)
        self.task.infeasible = set().union(*processes.gather(self.task.infeasible))
        for other in processes.gather(self.task.unreadable):
            self.task.unreadable |= other
        if processes.rank() > 0:
            return final
        save_checkpoint(self.output, AcousticCheckpoint(self.model.cpu(), self.tokens, self.lexicon, {}))
        return final

    def _train_gaussians(self, report: Report | None) -> FinalLog:
        """By alignment and estimation in turn, minutes at most: a run that was cut off begins anew."""
        if processes.rank() > 0:
            return FinalLog(0, "", {})
        assert self.lexicon is not None
        spelled = [
            (utterance, [[self.tokens.ids[name] for name in self.lexicon.spellings[word][0]] for word in words])
            for utterance, words in ((item, (item.text or "").split()) for item, _ in self.task.train)
        ]
        final = train_gaussians(self.model, spelled, self.task.read, self.config.train.epochs, report)
        save_checkpoint(self.output, AcousticCheckpoint(self.model, self.tokens, self.lexicon, {}))
        return final
