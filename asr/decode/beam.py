"""Beam search over a lexicon with an n-gram language model: arrays and models in, hypotheses out."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.decode.fusion import FusedSearch, Fusion, rescore
from asr.decode.hotwords import build_hotwords, first_gains, no_hotwords
from asr.decode.hypothesis import LOG_SUM_TOLERANCE, SUMMED_FRAMES, Hypothesis, Word, check_log_probs
from asr.decode.piecewise import WholeSession
from asr.decode.preflight import check_vocabulary
from asr.decode.readout import Confidence, are_log_probs
from asr.decode.search import Language, Settings
from asr.decode.session import FinalGains, Scratch, Session, Spoken
from asr.decode.trie import load_trie, smear
from asr.errors import ConfigError
from asr.lm.ngram.arpa import LN10, MISSING_LOG10, ArpaModel
from asr.lm.ngram.tables import NgramModel, build_tables
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

UNKNOWN = "<unk>"


@dataclass(frozen=True)
class BeamConfig:
    """Settings of the search; scores in nats."""

    lm_weight: float = 0.8
    word_score: float = 0.0  # added for every word
    beam_size: int = 100
    threshold: float = 25.0  # hypotheses further below the best are dropped
    token_threshold: float = 12.0  # tokens further below a frame's best are not tried
    confidence_scale: float = 0.3  # of the scores, before the posterior over the beam is taken
    # See `readout.Confidence`; `asr tune` fits the three.
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


class BeamDecoder:
    """A lexicon, a language model (or none) and settings, ready to decode.

    Raises TextError if the lexicon uses what is no token, or if the language model knows hardly any of its words.
    """

    def __init__(
        self, tokens: Tokens, lexicon: Lexicon, lm: NgramModel | None = None, config: BeamConfig | None = None
    ) -> None:
        self.tokens = tokens
        self.config = config or BeamConfig()
        self._trie, self.words = load_trie(lexicon, tokens)
        self._names = [*self.words, UNKNOWN]  # of the search's word indices
        self.lm = lm
        model = lm or _no_model()
        ids = model.word_ids(self._names) if lm is not None else np.full(len(self.words) + 1, -1, np.int32)
        missing = MISSING_LOG10 * LN10
        scores = np.where(ids < 0, np.float32(missing), model.arrays.unigram_log_probs[np.maximum(ids, 0)])
        self._unigrams = (scores if lm is not None else np.zeros(len(ids))).astype(np.float32)
        self._language = Language(
            lm is not None, model.arrays, ids, model.ids["<s>"], model.ids["</s>"], missing, no_hotwords(len(ids))
        )
        if lm is not None:
            check_vocabulary(self.words, lm)
        self._fusion: Fusion | None = None
        self._rescored = 0  # best hypotheses that the fusion scores afterwards; 0: it takes part in the search
        self._prepare()

    def _prepare(self) -> None:
        """What follows from the settings: the look-ahead of every node of the tree, and of being outside."""
        config = self.config
        if config.unknown_score is not None and self.tokens.boundary is None:
            raise ConfigError("unknown words need a word boundary among the tokens; there is none.")
        unknown = config.unknown_score if config.unknown_score is not None else 0.0
        reachable = config.lm_weight * self._unigrams[:-1] + first_gains(self._language.hot)[:-1]
        ahead = smear(self._trie, reachable.astype(np.float32)).lookahead.astype(np.float64)
        outside = self._unigrams[-1] * config.lm_weight + unknown
        self._look = np.exp(np.append(ahead, outside))
        self._look[0] = 1.0
        boundary = self.tokens.boundary
        self._settings = Settings(
            float(config.lm_weight),  # one type each: another would compile the search anew
            float(config.word_score),
            int(config.beam_size),
            float(config.threshold),
            float(config.token_threshold),
            -1 if boundary is None else boundary,
            config.unknown_score is not None,
            float(unknown),
            float(config.letter_score),
        )
        self._confidence = Confidence(
            float(config.confidence_scale),
            float(config.confidence_bias),
            float(config.confidence_slope),
            float(config.confidence_evidence),
        )
        self._scratches: list[Scratch] = []  # of utterances that are done, for the next ones, in whatever thread

    def with_settings(self, **changes: Any) -> BeamDecoder:
        """This decoder with other settings (fields of BeamConfig); the tree and the tables are shared."""
        other = copy.copy(self)
        other.config = replace(self.config, **changes)
        other._prepare()
        return other

    def with_fusion(self, fusion: Fusion | None) -> BeamDecoder:
        """This decoder with a word model mixed into its language model's scores, or without one."""
        other = copy.copy(self)
        other._fusion, other._rescored = fusion, 0
        return other

    def with_rescoring(self, fusion: Fusion, hypotheses: int) -> BeamDecoder:
        """This decoder with the word model mixed in afterwards, into the scores of so many best hypotheses."""
        other = self.with_fusion(fusion)
        other._rescored = hypotheses
        return other

    def with_hotwords(self, phrases: Mapping[str, float]) -> BeamDecoder:
        """This decoder favouring phrases, each by so many nats. Raises TextError for words outside the lexicon."""
        other = copy.copy(self)
        other._language = self._language._replace(hot=build_hotwords(phrases, self.words))
        other._prepare()
        return other

    def decode(self, log_probs: NDArray[np.floating], nbest: int = 1, name: str = "log-probs") -> list[Hypothesis]:
        """The `nbest` best hypotheses, best first; at least one.

        log_probs: (frames, tokens), natural logs. Raises TextError for arrays that are no log-probabilities.
        """
        values = np.ascontiguousarray(log_probs, dtype=np.float32)
        shaped = values.ndim == 2 and values.shape[1] == len(self.tokens)
        if not shaped or not are_log_probs(values, SUMMED_FRAMES, LOG_SUM_TOLERANCE):
            check_log_probs(log_probs, len(self.tokens), name)  # says what is wrong
        session = self.session()
        found = self._decode(session, values, nbest)
        if session.scratch.small:
            self._scratches.append(session.scratch)
        return found

    def _decode(self, session: Session, values: NDArray[np.float32], nbest: int) -> list[Hypothesis]:
        if self._fusion is None or self._rescored:
            session.advance(values, len(values))
            found = self.hypotheses(session, max(nbest, self._rescored))
            if self._fusion is not None:
                found = rescore(found, self._fusion, self.lm, self.config.lm_weight)
            return found[:nbest]
        fused = FusedSearch(session, self._fusion, self._names, self.lm)
        fused.run(values)
        return self.hypotheses(session, nbest, fused.final_gains)

    def session(self) -> Session:
        """A search of one utterance, to be fed piece by piece; `hypotheses` says what it has found."""
        try:
            scratch = self._scratches.pop()
        except IndexError:
            scratch = Scratch.make(len(self.tokens), self._settings.beam_size, self._trie)
        return Session(scratch, self._trie, self._look, self._language, self._settings)

    def start(self, name: str = "log-probs") -> WholeSession:
        """A session for one utterance."""
        return WholeSession(self, name)

    def hypotheses(self, session: Session, nbest: int = 1, final_gains: FinalGains | None = None) -> list[Hypothesis]:
        """The `nbest` best hypotheses of a session as it stands, as if the utterance ended here."""
        return [self._hypothesis(spoken) for spoken in session.results(self._confidence, nbest, final_gains)]

    def _hypothesis(self, spoken: Spoken) -> Hypothesis:
        tokens = [(token, frame) for token, frame in spoken.tokens.tolist()]
        rows = spoken.words.tolist()
        lasts = [row[3] for row in rows[1:]] + [len(tokens)]
        words, known = [], self.words
        for (word, start, end, first), last, confidence in zip(rows, lasts, spoken.confidences.tolist(), strict=False):
            spelling = tuple(tokens[first:last])
            name = known[word] if word < len(known) else self._spelled(spelling)
            words.append(Word(name, start, end, round(confidence, 4), spelling))
        reward = self.config.word_score * len(words)
        total = spoken.acoustic + spoken.language
        return Hypothesis(tuple(words), total, spoken.acoustic, spoken.language - reward, reward)

    def _spelled(self, spelling: tuple[tuple[int, int], ...]) -> str:
        return "".join(self.tokens.names[token] for token, _ in spelling if token != self.tokens.boundary)


def _no_model() -> NgramModel:
    """Stands in for a language model where there is none; its scores are never asked for."""
    zeros = np.zeros(2, np.float32)
    return build_tables(ArpaModel(["<s>", "</s>"], [np.array([[0], [1]], np.int32)], [zeros], [zeros]), "none")
