"""Settings of the beam search."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from asr.errors import ConfigError


@dataclass(frozen=True)
class BeamConfig:
    """Settings of the search; scores in nats."""

    lm_weight: float = 0.8
    word_score: float = 0.0  # added for every word
    beam_size: int = 100
    threshold: float = 25.0  # hypotheses further below the best are dropped
    token_threshold: float = 12.0  # tokens further below a frame's best are not tried
    confidence_scale: float = 0.3  # of the scores, before the posterior over the beam is taken
    # A word's confidence is s(bias + slope * logit(posterior) - evidence * nats), where nats is how far the word's
    # tokens lie below the best tokens of their frames, on average. `asr tune` fits the three.
    confidence_bias: float = 0.0
    confidence_slope: float = 1.0
    confidence_evidence: float = 0.0
    unknown_score: float | None = None  # added for a word that the lexicon lacks; None: there are none
    letter_score: float = 0.0  # added for each token of such a word

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise ConfigError(f"the beam size must be at least 1, not {self.beam_size}.")
        if not (self.threshold > 0 and self.token_threshold > 0):
            raise ConfigError("the thresholds of the search must be numbers above 0.")
        if not all(np.isfinite([self.lm_weight, self.word_score])) or self.lm_weight < 0:
            raise ConfigError("lm_weight must be a number of 0 or more, word_score a number.")

    def changed(self, changes: dict[str, float | None]) -> BeamConfig:
        """These settings with some changed. Raises ConfigError for an unknown name or an impossible value."""
        known = [field.name for field in fields(self)]
        if unknown := [name for name in changes if name not in known]:
            raise ConfigError(f"the search has no setting '{unknown[0]}'; there are {', '.join(known)}.")
        return replace(self, **changes)  # type: ignore[arg-type]  # values are checked in __post_init__
