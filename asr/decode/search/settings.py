"""Settings of the beam search."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from numbers import Real

from asr.errors import ConfigError

LARGEST_BEAM = 100_000  # takes about 60 MB of each search
LARGEST = 100.0  # of a weight, or of nats that are added for a word
FINITE = (
    "lm_weight", "word_score", "confidence_scale", "confidence_bias", "confidence_slope", "confidence_evidence",
    "confidence_context", "confidence_entropy", "unknown_score", "letter_score",
)  # fmt: skip


@dataclass(frozen=True)
class BeamConfig:
    """Settings of the search; scores in nats."""

    lm_weight: float = 0.8
    word_score: float = 0.0  # added for every word
    beam_size: int = 100
    threshold: float = 25.0  # hypotheses further below the best are dropped
    token_threshold: float = 12.0  # tokens further below a frame's best are not tried
    confidence_scale: float = 0.3  # of the scores, before the posterior over the beam is taken
    # A word's confidence is s(bias + z + context * the mean z of its utterance - entropy * the mean entropy of the
    # network's outputs over the utterance, in nats), where z = slope * logit(posterior) - evidence * nats, and nats is
    # how far the word's tokens lie below the best tokens of their frames, on average. `asr tune` fits the five; context
    # and entropy are there because in noise all words of an utterance are less sure.
    confidence_bias: float = 0.0
    confidence_slope: float = 1.0
    confidence_evidence: float = 0.0
    confidence_context: float = 0.0
    confidence_entropy: float = 0.0
    unknown_score: float | None = None  # added for a word that the lexicon lacks; None: there are none
    letter_score: float = 0.0  # added for each token of such a word

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Real) or (value is None and entry.default is None):
                continue
            raise ConfigError(f"`{entry.name}` must be a number, not {value!r}.")
        if self.beam_size % 1:  # true of NaN
            raise ConfigError(f"the beam size must be a whole number, not {self.beam_size}.")
        if not 1 <= self.beam_size <= LARGEST_BEAM:
            raise ConfigError(f"the beam size must lie in 1..{LARGEST_BEAM}, not {self.beam_size}.")
        if not (self.threshold > 0 and self.token_threshold > 0):
            raise ConfigError("the thresholds of the search must be numbers above 0.")
        for name in FINITE:
            value = getattr(self, name)
            if value is not None and not abs(value) <= LARGEST:  # true of NaN
                raise ConfigError(f"`{name}` must be a number within {LARGEST:g} of 0, not {value}.")
        if self.lm_weight < 0:
            raise ConfigError(f"`lm_weight` must be a number of 0 or more, not {self.lm_weight}.")
        object.__setattr__(self, "beam_size", int(self.beam_size))

    def changed(self, changes: dict[str, float | None]) -> BeamConfig:
        """These settings with some changed. Raises ConfigError for an unknown name or an impossible value."""
        known = [field.name for field in fields(self)]
        if unknown := [name for name in changes if name not in known]:
            raise ConfigError(f"the search has no setting '{unknown[0]}'; there are {', '.join(known)}.")
        return replace(self, **changes)  # type: ignore[arg-type]  # values are checked in __post_init__
