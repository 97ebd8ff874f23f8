"""Scores of running text under an LSTM language model, with or without a cache of recent words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.callbacks import Progress
from asr.config import from_dict
from asr.errors import ConfigError
from asr.lm.lstm.folder import load_lm
from asr.lm.lstm.network import UNKNOWN_ID, LstmLanguageModel, LstmLmConfig
from asr.lm.lstm.running_task import running_ids, running_outputs
from asr.lm.lstm.sentence_task import encode
from asr.lm.mixture import mixture_weights

FLATNESSES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class CacheSettings:
    """Settings of the continuous cache (Grave, Joulin & Usunier 2017)."""

    size: int = 2000  # number of last words in the cache
    flatness: float = 0.2  # theta: factor of the products of outputs
    share: float = 0.1  # lambda: weight of the cache in the mixture

    def __post_init__(self) -> None:
        if self.size < 1 or self.flatness < 0 or not 0 <= self.share < 1:
            raise ConfigError("the cache's size must be at least 1, its flatness 0 or more, its share in 0..1.")


class RunningScorer:
    """Scores running text, each word after all words before it, as models trained with `text.running` do."""

    def __init__(self, folder: str | Path) -> None:
        """Raises CheckpointError if the folder is not a language model, or its arrays do not fit its settings."""
        stored = load_lm(folder)
        self.words = stored.words
        self.model = LstmLanguageModel(from_dict(LstmLmConfig, stored.config), len(stored.words)).eval()
        self.model.load_arrays(stored.arrays, stored.source)
        self._spell = stored.units.spell if stored.units is not None else str
        self._ids = {word: index for index, word in enumerate(stored.words)}

    def ids(self, lines: Iterable[str]) -> NDArray[np.int32]:
        """The ids of lines as one text, unknown words as `<unk>`. Raises TextError if there are no lines."""
        return running_ids(encode(map(self._spell, lines), self._ids, blank_lines=True))

    def unknown(self, ids: NDArray[np.int32]) -> NDArray[np.bool_]:
        """A mask (words - 1,) of the scored words that are unknown."""
        return np.asarray(ids[1:] == UNKNOWN_ID)

    def log_probs(
        self, ids: NDArray[np.int32], cache: CacheSettings | None = None, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """ln P (words - 1,) of each of `ids` but the first."""
        model, cached = self._both(ids, cache.size if cache else 0, (cache.flatness,) if cache else (), progress)
        if cache is None:
            return model
        return np.where(
            cached[0] < 0, model, np.log((1 - cache.share) * np.exp(model) + cache.share * np.maximum(cached[0], 0))
        )

    def tune_cache(self, ids: NDArray[np.int32], size: int, progress: Progress | None = None) -> CacheSettings:
        """The flatness and share of a cache that make `ids`, a dev text, most likely; the share is found by EM."""
        model, cached = self._both(ids, size, FLATNESSES, progress)
        best, settings = -np.inf, CacheSettings(size)
        for flatness, row in zip(FLATNESSES, cached, strict=True):
            with np.errstate(divide="ignore"):
                both = np.stack([model, np.log(np.maximum(row, 0.0))])
            share = float(mixture_weights(np.maximum(both, -1e3))[1])
            likelihood = float(np.log((1 - share) * np.exp(model) + share * np.maximum(row, 0.0)).mean())
            if likelihood > best:
                best, settings = likelihood, CacheSettings(size, flatness, round(share, 4))
        return settings

    def _both(
        self, ids: NDArray[np.int32], size: int, flatnesses: tuple[float, ...], progress: Progress | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """ln P by the model (words,), and P by the cache of each flatness (flatnesses, words), -1 while empty."""
        model, cached = [], []
        outputs, last = torch.empty(0, self.model.config.hidden_size), 0
        words = torch.from_numpy(ids.astype(np.int64))
        with torch.inference_mode():
            for hidden, log_probs in running_outputs(self.model, ids, torch.device("cpu")):
                last += len(hidden)
                model.append(log_probs)
                if flatnesses:
                    outputs = torch.cat([outputs[-size:], hidden])
                    nexts = words[last + 1 - len(outputs) : last + 1]
                    cached.append(_cached(outputs, nexts, len(hidden), flatnesses, size))
                if progress is not None:
                    progress(last, len(ids) - 1)
        return np.concatenate(model), np.concatenate(cached, axis=1) if cached else np.empty((0, len(ids) - 1))


def _cached(
    outputs: Tensor, nexts: Tensor, number: int, flatnesses: tuple[float, ...], size: int
) -> NDArray[np.float64]:
    """P (flatnesses, number) of the last `number` of `nexts` by a cache of the words before each.

    outputs: (time, hidden); nexts: (time,), the word after each of them.
    """
    products = (outputs[-number:] @ outputs.T).double()  # (number, time)
    place = torch.arange(len(outputs))
    now = place[-number:, None]
    inside = (place[None, :] < now) & (place[None, :] >= now - size)
    same = inside & (nexts[None, :] == nexts[-number:, None])
    rows = []
    for flatness in flatnesses:
        weights = (flatness * products).masked_fill(~inside, -torch.inf)
        weights = (weights - weights.amax(dim=1, keepdim=True).clamp(min=-1e30)).exp()
        total = weights.sum(dim=1)
        rows.append(torch.where(total > 0, (weights * same).sum(dim=1) / total.clamp(min=1e-300), -1.0))
    return torch.stack(rows).numpy()
