"""The settings of a voice-activity detector; read without torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asr.audio.feature_config import FeatureConfig
from asr.errors import ConfigError

TYPE = "voice-activity"
MEAN, DEVIATION = 10.0, 5.0  # of log-mel energies of speech, roughly; what the network reads is normalised by them


def _default_features() -> FeatureConfig:
    return FeatureConfig(num_mel_bins=32, frame_shift_ms=20.0, normalize="none")


@dataclass(frozen=True)
class ActivityConfig:
    """The network's sizes and its features, whose frames it decides one by one."""

    features: FeatureConfig = field(default_factory=_default_features)
    hidden_size: int = 64  # units of each layer
    num_layers: int = 1  # one upon the other
    delay: int = 4  # frames that are heard after a frame before it is decided

    def __post_init__(self) -> None:
        if not 1 <= self.hidden_size <= 4096 or not 1 <= self.num_layers <= 16 or not 0 <= self.delay <= 100:
            raise ConfigError("a detector needs hidden_size in 1..4096, num_layers in 1..16 and delay in 0..100.")
        if self.features.convention != "kaldi" or self.features.normalize != "none":
            raise ConfigError("a detector needs features.convention = 'kaldi' and features.normalize = 'none'.")


def normalized(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-mel energies (frames, dim) as the network reads them."""
    values: NDArray[np.float32] = (features - np.float32(MEAN)) / np.float32(DEVIATION)
    return values
