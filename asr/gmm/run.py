"""Training of a Gaussian mixture model, from configuration and manifests to a model folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from asr.config import to_dict
from asr.data.audio_store import AudioStore
from asr.data.config import DataConfig
from asr.data.manifest import BadItem, Manifest, Utterance
from asr.data.references import encode_references, within_limits
from asr.errors import ConfigError, TextError
from asr.gmm.config import GaussianConfig
from asr.gmm.model import GaussianModel
from asr.gmm.training import train_gaussians
from asr.model_folder import to_stored, write_arrays
from asr.model_package import WEIGHTS, write_package
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens
from asr.train import processes
from asr.train.config import TrainConfig
from asr.train.log import FinalLog, Report


@dataclass(frozen=True)
class GaussianRunConfig:
    """The configuration of `asr train` for a Gaussian mixture model."""

    tokens: str = ""  # path of tokens.txt, the states
    lexicon: str = ""  # path of lexicon.txt, which spells words in states
    model: GaussianConfig = field(default_factory=GaussianConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)  # epochs: rounds of alignment and estimation; no other key


class GaussianRun:
    """Prepares a run (reading nothing but manifests and token files), then trains and writes the model folder."""

    def __init__(self, config: GaussianRunConfig, train: Manifest, dev: Manifest, output: Path) -> None:
        """Raises ConfigError or TextError when the parts do not fit."""
        self.config, self.output = config, output
        self.tokens = Tokens.read(config.tokens) if config.tokens else Tokens.characters()
        if not config.lexicon or self.tokens.boundary is not None:
            raise ConfigError("model.kind = 'gaussian' needs a lexicon of states, from asr tokens lexicon --states 3.")
        self.lexicon = Lexicon.read(config.lexicon)
        items, bad = encode_references(train, self.tokens, self.lexicon)
        items, too_long = within_limits(items, config.data)
        self.trained_on: list[Utterance] = [utterance for utterance, _ in items]
        self.bad = bad + too_long
        self.cramped: list[BadItem] = []  # a text without frames enough for its states is left out of every round
        self.cramped_when_faster: list[str] = []
        if not items:
            raise TextError(f"no utterance can be spelled in the states; first: {self.bad[0]}.")
        self.model = GaussianModel(config.model, len(self.tokens))
        self._store = AudioStore(config.data.cache_hours * 3600, config.model.features.sample_rate)

    @property
    def unreadable(self) -> dict[str, str]:
        """Reasons by id of the utterances met so far that cannot be read."""
        return self._store.unreadable

    def train(self, resume: bool = False, report: Report | None = None) -> FinalLog:
        """Train, write the model folder, return the final figures.

        It takes minutes at most: a run that was cut off begins from the start, whatever `resume` says. Where several
        processes train together, the first does all the work.
        """
        if processes.rank() > 0:
            return FinalLog(0, "", {})
        spelled = [(utterance, self._states(utterance)) for utterance in self.trained_on]
        final = train_gaussians(self.model, spelled, self._store.try_read, self.config.train.epochs, report)
        arrays = {name: value.numpy() for name, value in self.model.state_dict().items()}
        self.output.mkdir(parents=True, exist_ok=True)
        write_arrays(self.output / WEIGHTS, to_stored(arrays, 32))
        write_package(self.output, to_dict(self.config.model), self.tokens, self.lexicon)
        return final

    def _states(self, utterance: Utterance) -> list[list[int]]:
        """The states of each word of an utterance, each word in its first spelling."""
        words = (utterance.text or "").split()
        return [[self.tokens.ids[name] for name in self.lexicon.spellings[word][0]] for word in words]
