"""Figures on a dev set while training: token error rate, and word error rate where tokens spell words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from asr.data.manifest import Utterance
from asr.decode.beam import BeamDecoder
from asr.decode.greedy import greedy_tokens
from asr.score.edit_distance import count
from asr.text.tokens import Tokens


def greedy_evaluator(
    dev: Sequence[tuple[Utterance, list[int]]], tokens: Tokens
) -> Callable[[dict[str, np.ndarray]], dict[str, float]]:
    """A function from log-probabilities by id to `ter` (tokens without boundary) and, for characters, `wer`.

    Both are of best-path decoding, as fractions. An utterance without log-probabilities counts as empty.
    """

    def evaluate(log_probs: dict[str, np.ndarray]) -> dict[str, float]:
        empty = np.zeros((0, len(tokens)), np.float32)
        found = [[token for token, _, _ in greedy_tokens(log_probs.get(item[0].id, empty))] for item in dev]
        wanted = [target for _, target in dev]
        figures = {"ter": count(*(_names(side, tokens) for side in (wanted, found))).rate}
        if tokens.are_characters and tokens.boundary is not None:
            texts = [[tokens.join(ids).split() for ids in side] for side in (wanted, found)]
            figures["wer"] = count(texts[0], texts[1]).rate
        return {name: round(value, 5) for name, value in figures.items()}

    return evaluate


def search_evaluator(
    dev: Sequence[tuple[Utterance, list[int]]], decoder: BeamDecoder
) -> Callable[[dict[str, np.ndarray]], dict[str, float]]:
    """A function from log-probabilities by id to `wer` of a beam search."""

    def evaluate(log_probs: dict[str, np.ndarray]) -> dict[str, float]:
        wanted = [(item.text or "").split() for item, _ in dev]
        found = [decoder.decode(log_probs[item.id])[0].text.split() if item.id in log_probs else [] for item, _ in dev]
        return {"wer": round(count(wanted, found).rate, 5)}

    return evaluate


def _names(side: Sequence[Sequence[int]], tokens: Tokens) -> list[list[str]]:
    return [[tokens.names[token] for token in ids if token != tokens.boundary] for ids in side]
