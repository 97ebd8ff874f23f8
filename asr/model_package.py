"""A model folder opened without its weights: tokens, lexicon, settings, language models. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from asr.audio.feature_config import FeatureConfig
from asr.config import from_dict
from asr.errors import CheckpointError, ConfigError, TextError
from asr.model_folder import read_config
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

TYPE = "acoustic"
LEXICONS = ("lexicon.txt", "lexicon.txt.gz")  # a folder has one of them at most
NEURAL_LM_FOLDER = "lstm"  # within a model's folder


@dataclass(frozen=True)
class ModelPackage:
    """What a model folder says about its model. Open one with `ModelPackage.open`."""

    folder: Path
    kind: str
    tokens: Tokens
    features: FeatureConfig
    seconds_per_frame: float
    search: Mapping[str, float]  # settings of the search that the model was tuned to
    lm_path: Path | None

    @classmethod
    def open(cls, folder: str | Path) -> ModelPackage:
        """The package in a folder. Raises CheckpointError for a folder that is incomplete or damaged."""
        from asr.acoustic.config import AcousticConfig

        folder = Path(folder)
        values = read_config(folder, TYPE)
        try:
            tokens = Tokens.read(folder / "tokens.txt")
            config = from_dict(AcousticConfig, values["model"])
        except (TextError, ConfigError, KeyError) as error:
            raise CheckpointError(f"{folder} cannot be loaded: {error}") from None
        search: dict[str, Any] = dict(values.get("decoding", {}))
        lm = search.pop("lm", None)
        return cls(
            folder, config.kind, tokens, config.features, config.seconds_per_frame, search, folder / lm if lm else None
        )

    @cached_property
    def lexicon(self) -> Lexicon | None:
        """The model's lexicon, read when it is first used, or None."""
        return next((Lexicon.later(self.folder / name) for name in LEXICONS if (self.folder / name).exists()), None)

    @property
    def sample_rate(self) -> int:
        """Samples per second of the model's audio, in Hz."""
        return self.features.sample_rate

    @property
    def neural_lm_path(self) -> Path | None:
        """The folder of the model's LSTM language model, or None."""
        folder = self.folder / NEURAL_LM_FOLDER
        return folder if folder.is_dir() else None
