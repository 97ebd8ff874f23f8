"""One utterance in the beam search, fed in pieces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from asr._native import Confidence, DecodingGraph, SearchSession, Transcription
from asr.decode.confidence import MeanEntropy, in_context
from asr.decode.fusion import FusedSession, Fusion, rescore
from asr.decode.hotwords import WrittenForms
from asr.decode.hypothesis import Hypothesis, Word, check_log_probs
from asr.decode.search.settings import BeamConfig
from asr.errors import TextError
from asr.lm.ngram.tables import NgramModel
from asr.text.tokens import Tokens


class BeamSession:
    """A `DecodingSession` of the beam search."""

    def __init__(
        self, graph: DecodingGraph, config: BeamConfig, tokens: Tokens, names: Sequence[str], name: str = "log-probs",
        written: WrittenForms | None = None,
    ) -> None:  # fmt: skip
        """names: of the graph's words, by index. name: of the utterance, for errors.
        written: how phrases are written."""
        self.search = SearchSession(graph)
        self.graph, self._config, self._tokens, self._names, self._name = graph, config, tokens, names, name
        self._fused: FusedSession | None = None
        self._rescoring: tuple[Fusion, NgramModel | None, int] | None = None
        self._finished = False
        self._written = written
        self._entropy = MeanEntropy()
        self._confidence = Confidence(
            scale=config.confidence_scale,
            bias=config.confidence_bias,
            slope=config.confidence_slope,
            evidence=config.confidence_evidence,
        )

    def join(self, fusion: Fusion) -> None:
        """Let a word model take part in the search; to be called before anything is fed."""
        config, graph = self._config, self.graph
        self._fused = FusedSession(self.search, fusion, self._names, config.lm_weight, graph.has_ngram)

    def rescore(self, fusion: Fusion, lm: NgramModel | None, hypotheses: int) -> None:
        """Let a word model score that many best hypotheses at the end."""
        self._rescoring = fusion, lm, hypotheses

    def feed(self, log_probs: NDArray[np.floating]) -> None:
        """Search on through the next piece (frames, tokens). Raises TextError if these are no log-probabilities."""
        if self._finished:
            raise RuntimeError("the utterance has ended: start a new session.")
        values = check_log_probs(log_probs, len(self._tokens), self._name)
        if self._config.confidence_entropy:
            self._entropy.feed(values)
        if self._fused is not None:
            self._fused.feed(values)
        else:
            self.search.advance(values)

    def partial(self, ahead: NDArray[np.floating] | None = None) -> Hypothesis:
        """The best hypothesis so far, as if the utterance ended here; the word model's last scores are not in yet.

        ahead: frames (frames, tokens) that the hypothesis takes in and the session does not.
        """
        search = self.search
        if ahead is not None and len(ahead):
            search = search.copy()
            search.advance(check_log_probs(ahead, len(self._tokens), self._name))
        return self._as_written(self._hypotheses(search, 1, []))[0]

    def finish(self, nbest: int = 1) -> list[Hypothesis]:
        """The `nbest` best hypotheses of the utterance, best first; at least one."""
        self._finished = True
        return self._as_written(self._final(nbest))

    def _final(self, nbest: int) -> list[Hypothesis]:
        if self._fused is not None:
            return self._hypotheses(self.search, nbest, self._fused.final_gains())
        if self._rescoring is None:
            return self._hypotheses(self.search, nbest, [])
        fusion, lm, hypotheses = self._rescoring
        best = self._hypotheses(self.search, max(nbest, hypotheses), [])
        return rescore(best, fusion, lm, self._config.lm_weight)[:nbest]

    def _as_written(self, hypotheses: list[Hypothesis]) -> list[Hypothesis]:
        """The hypotheses with phrases as the user writes them."""
        if not self._written:
            return hypotheses
        forms = [self._written.applied([word.word for word in hypothesis.words]) for hypothesis in hypotheses]
        return [
            replace(
                hypothesis,
                words=tuple(word._replace(word=form) for word, form in zip(hypothesis.words, words, strict=True)),
            )
            for hypothesis, words in zip(hypotheses, forms, strict=True)
        ]

    def _hypotheses(self, search: SearchSession, nbest: int, gains: list[float]) -> list[Hypothesis]:
        return [self._hypothesis(spoken) for spoken in search.results(self._confidence, nbest, gains)]

    def _hypothesis(self, spoken: Transcription) -> Hypothesis:
        tokens, rows = spoken.tokens, spoken.words
        ends = [word.first_token for word in rows[1:]] + [len(tokens)]
        words = []
        alone = np.array([word.confidence for word in rows])
        config = self._config
        shift = -config.confidence_entropy * self._entropy.value
        confidences = in_context(alone, config.confidence_bias, config.confidence_context, shift)
        for word, confidence, end in zip(rows, confidences.tolist(), ends, strict=False):
            spelling = tuple(tokens[word.first_token : end])
            known = word.word < len(self._names)
            name = self._names[word.word] if known else self._spelled(spelling)
            words.append(Word(name, word.first_frame, word.end_frame, round(confidence, 4), spelling))
        reward = config.word_score * len(words)
        total = spoken.acoustic + spoken.other
        if math.isnan(total) or total == math.inf or any(math.isnan(word.confidence) for word in rows):
            raise TextError(
                f"{self._name}: the scores leave the range of numbers; lower the weights of the search, the boosts of "
                "hotwords, or those of the language model."
            )
        return Hypothesis(tuple(words), total, spoken.acoustic, spoken.other - reward, reward)

    def _spelled(self, spelling: tuple[tuple[int, int], ...]) -> str:
        return "".join(self._tokens.names[token] for token, _ in spelling if token != self._tokens.boundary)
