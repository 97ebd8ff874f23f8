"""Sizes of a Gaussian mixture model; read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asr.audio.feature_config import FeatureConfig
from asr.config import from_dict
from asr.errors import ConfigError

GAUSSIAN = "gaussian"
MOST_GAUSSIANS = 4096


@dataclass(frozen=True)
class GaussianConfig:
    """Sizes of a Gaussian mixture model. Its tokens are the states of hidden Markov models, one frame each at least."""

    kind: str = GAUSSIAN  # says that the model is of Gaussian mixtures
    gaussians: int = 8  # of each state's mixture
    features: FeatureConfig = field(default_factory=FeatureConfig)

    def __post_init__(self) -> None:
        if self.kind != GAUSSIAN:
            raise ConfigError(f"model.kind of a Gaussian mixture model must be {GAUSSIAN}, not '{self.kind}'.")
        if not 1 <= self.gaussians <= MOST_GAUSSIANS:
            raise ConfigError(f"model.gaussians must lie in 1..{MOST_GAUSSIANS}, not {self.gaussians}.")


def read_gaussian_config(network: Mapping[str, Any]) -> GaussianConfig:
    """The configuration in a model folder; folders of earlier versions call `gaussians` hidden_size."""
    values = {name: network[name] for name in ("kind", "gaussians", "features") if name in network}
    if "gaussians" not in values and "hidden_size" in network:
        values["gaussians"] = network["hidden_size"]
    return from_dict(GaussianConfig, values)
