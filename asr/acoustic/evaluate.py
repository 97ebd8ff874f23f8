"""Figures on validation data: token error rate, and word error rate where tokens spell words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asr.data.manifest import Utterance
from asr.decode.beam import BeamDecoder
from asr.decode.greedy import greedy_tokens
from asr.score.edit_distance import count
from asr.text.tokens import Tokens

Items = Sequence[tuple[Utterance, list[int]]]
LogProbs = Mapping[str, NDArray[np.float32]]


def best_path_metric(tokens: Tokens) -> str:
    """The figure of `best_path_figures` that says which weights are best."""
    return "wer" if tokens.marks_words else "ter"


def best_path_figures(log_probs: LogProbs, dev: Items, tokens: Tokens) -> dict[str, float]:
    """`ter` (tokens without the boundary) and, for characters and subwords, `wer` of best-path decoding, as fractions.

    An utterance without log-probabilities counts as empty.
    """
    empty = np.zeros((0, len(tokens)), np.float32)
    paths = [[token for token, _, _ in greedy_tokens(log_probs.get(item[0].id, empty))] for item in dev]
    wanted = [target for _, target in dev]
    figures = {"ter": count(*(_names(side, tokens) for side in (wanted, paths))).rate}
    if tokens.marks_words:
        texts = [[tokens.join(ids).split() for ids in side] for side in (wanted, paths)]
        figures["wer"] = count(texts[0], texts[1]).rate
    return {name: round(value, 5) for name, value in figures.items()}


def search_figures(log_probs: LogProbs, dev: Items, decoder: BeamDecoder) -> dict[str, float]:
    """`wer` of a beam search, as a fraction. An utterance without log-probabilities counts as empty."""
    wanted = [(item.text or "").split() for item, _ in dev]
    texts = [decoder.decode(log_probs[item.id])[0].text.split() if item.id in log_probs else [] for item, _ in dev]
    return {"wer": round(count(wanted, texts).rate, 5)}


def _names(side: Sequence[Sequence[int]], tokens: Tokens) -> list[list[str]]:
    return [[tokens.names[token] for token in ids if token != tokens.boundary] for ids in side]
