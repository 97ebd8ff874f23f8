"""What acoustic training minimises; read without torch."""

from __future__ import annotations

from dataclasses import dataclass

from asr.config import LARGEST, check_ranges
from asr.errors import ConfigError

RANGES = (
    ("ctc_share", 0, LARGEST), ("ctc_epochs", 0, LARGEST), ("crf_share", 0, LARGEST), ("lm_weight", 0, 100),
    ("word_score", -100, 100), ("beam_size", 1, 100_000), ("hypotheses", 1, 100_000),
)  # fmt: skip


@dataclass(frozen=True)
class CriterionConfig:
    """What is minimised."""

    # ctc; crf: CTC against all sequences of a token trigram of the training references; mwer: the word errors expected
    # over the search's best hypotheses, for a model that has been trained by one of the others
    kind: str = "ctc"
    ctc_share: float = 0.1  # of plain CTC that is added to crf
    ctc_epochs: int = 0  # first epochs on plain CTC alone, which finds its way from nothing sooner
    crf_share: float = 0.1  # of crf that is added to mwer's errors a word
    # Above 0 every utterance is read twice at once, with other masks and dropout, and the divergence of the two outputs
    # is added with that weight (consistency regularisation, Yao et al. 2024, CR-CTC; 0.2 there).
    consistency: float = 0.0
    # Of mwer: its search, and how many of the best hypotheses count.
    lexicon: str = ""  # of the search; empty: the one that spells the references
    lm: str = ""  # n-grams, `.arpa` or `.ngrams`; mwer needs it
    lm_weight: float = 1.0  # of its natural logs
    word_score: float = 0.0  # nats added for every word
    beam_size: int = 40  # hypotheses kept
    hypotheses: int = 8  # of the best that count

    def __post_init__(self) -> None:
        if self.kind not in ("ctc", "crf", "mwer"):
            raise ConfigError(f"criterion.kind must be ctc, crf or mwer, not {self.kind!r}.")
        check_ranges(self, "criterion.", RANGES)
        if self.consistency < 0 or (self.consistency and self.kind == "mwer"):
            raise ConfigError("criterion.consistency must be 0 or more, and mwer has none.")
