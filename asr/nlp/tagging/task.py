"""Training of taggers, as a task for the one training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from asr.errors import ConfigError
from asr.nlp.tagging.config import UNKNOWN_ID, affix_ids, pause_features
from asr.nlp.tagging.network import TagNetwork
from asr.nlp.tagging.text import TaggedText
from asr.nn.lengths import padded
from asr.train.fingerprint import fingerprint
from asr.train.log import SpeedUnit

UNLABELLED = -1
POOL = 24  # batches whose sequences are sorted by length together


@dataclass(frozen=True)
class SequenceConfig:
    """How running text is cut into sequences.

    Their lengths are drawn log-uniformly; a share of the cuts is moved to the next end of a sentence, so that what a
    recording holds, whole sentences or not, is learned.
    """

    shortest: int = 8  # words
    longest: int = 200  # words
    at_ends: float = 0.7  # share of cuts at ends of sentences
    words: int = 6400  # in a batch, padding included

    def __post_init__(self) -> None:
        if not 0 < self.shortest <= self.longest <= self.words or not 0 <= self.at_ends <= 1:
            raise ConfigError("sequences need 0 < shortest <= longest <= words, and at_ends in 0..1.")


@dataclass(frozen=True)
class PauseConfig:
    """Pauses drawn for text that was never spoken: quantiles, equally spaced from 0 to 1, by the label of a column.

    Measured on read speech, aligned. `unknown` sequences have no pauses; in `careless` ones pauses say nothing of the
    label; in the others all pauses are multiplied by a factor drawn for the sequence.
    """

    column: str = "mark"  # whose labels pauses depend on
    quantiles: Mapping[str, Sequence[float]] = field(default_factory=dict)
    unknown: float = 0.35  # share of sequences without pauses
    careless: float = 0.15  # share of sequences whose pauses say nothing of the label
    tempo: float = 0.5  # standard deviation of the factor's logarithm


class PauseSampler:
    """Draws pauses in seconds for sequences of labels."""

    def __init__(self, config: PauseConfig, labels: Sequence[str]) -> None:
        self._config = config
        rows = [config.quantiles.get(label) or config.quantiles.get("", [0.0, 0.0]) for label in labels]
        if len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
            raise ConfigError("pauses.quantiles must have the same number of quantiles, two or more, for each label.")
        self._quantiles = np.array(rows, np.float64)  # (labels, quantiles)

    def draw(self, labels: NDArray[np.int8], random: np.random.Generator) -> NDArray[np.float64]:
        """Pauses (words,) after words with these labels (words,); all NaN in a sequence without pauses."""
        kind = random.random()
        if kind < self._config.unknown:
            return np.full(len(labels), np.nan)
        if kind < self._config.unknown + self._config.careless:
            labels = random.permutation(labels)
        at = random.random(len(labels)) * (self._quantiles.shape[1] - 1)
        low = at.astype(int)
        rows = self._quantiles[np.maximum(labels, 0)]
        index = np.arange(len(labels))
        drawn = rows[index, low] + (at - low) * (rows[index, low + 1] - rows[index, low])
        paused: NDArray[np.float64] = drawn * np.exp(random.normal(0.0, self._config.tempo))
        paused[-1:] = np.nan  # what follows the last word is not known
        return paused


@dataclass
class Batch:
    """Sequences with their labels, (batch, time, …), labels -1 where not known and beyond the lengths."""

    words: Tensor
    affixes: Tensor
    pauses: Tensor
    lengths: Tensor
    labels: list[Tensor]


class TagTask:
    """Training and validation of one tagger."""

    metric = "nats"
    speed_unit = SpeedUnit("words", "words_per_second", "words a second")

    def __init__(
        self, model: TagNetwork, vocabulary: Sequence[str], train: TaggedText, dev: TaggedText,
        sequences: SequenceConfig, pauses: PauseConfig | None = None, seed: int = 1,
    ) -> None:  # fmt: skip
        """vocabulary: padding, the unknown word, then words. pauses: None where there are none to draw."""
        self.model, self._config, self._seed = model, sequences, seed
        ids = {word: number for number, word in enumerate(vocabulary)}
        self._texts = [_Encoded(text, ids, model) for text in (train, dev)]
        self._sampler = None
        if pauses is not None and model.config.pauses and pauses.column in model.config.outputs:
            self._sampler = PauseSampler(pauses, model.config.outputs[pauses.column])
            self._paused = pauses.column

    def fingerprints(self) -> dict[str, str]:
        """What tells the texts and their labels from others."""
        names = ("training data", "validation data")
        return {name: encoded.fingerprint() for name, encoded in zip(names, self._texts, strict=True)}

    def plan(self, epoch: int) -> list[list[tuple[int, int]]]:
        """The batches of an epoch: the first word and the end of each sequence of the text."""
        return self._plan(self._texts[0].text, np.random.default_rng([self._seed, epoch]))

    def _plan(self, text: TaggedText, random: np.random.Generator) -> list[list[tuple[int, int]]]:
        batches: list[list[tuple[int, int]]] = []
        pool: list[tuple[int, int]] = []
        spans = _cut(text.ends, self._config, random)
        for place in random.permutation(len(spans)).tolist():
            pool.append(spans[place])
            if len(pool) >= POOL * self._per_batch:
                batches += self._grouped(pool)
                pool = []
        batches += self._grouped(pool)
        return [batches[place] for place in random.permutation(len(batches))]

    @property
    def _per_batch(self) -> int:
        return max(1, self._config.words // self._config.longest)

    def _grouped(self, pool: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        groups: list[list[tuple[int, int]]] = []
        for span in sorted(pool, key=lambda s: s[0] - s[1]):  # the longest first
            longest = groups[-1][0][1] - groups[-1][0][0] if groups else 0
            if groups and longest * (len(groups[-1]) + 1) <= self._config.words:
                groups[-1].append(span)
            else:
                groups.append([span])
        return groups

    def prepare(self, plan: list[tuple[int, int]], epoch: int, device: torch.device) -> Batch:
        return self._batch(self._texts[0], plan, np.random.default_rng([self._seed, epoch, plan[0][0]]), device)

    def _batch(
        self, encoded: _Encoded, plan: list[tuple[int, int]], random: np.random.Generator, device: torch.device
    ) -> Batch:
        parts = [encoded.text.words[start:end] for start, end in plan]
        words, lengths = padded([encoded.ids[part] for part in parts])
        affixes, _ = padded([encoded.affixes[part] for part in parts])
        pauses = [
            self._sampler.draw(encoded.text.labels[self._paused][start:end], random)
            if self._sampler is not None else np.full(end - start, np.nan)
            for start, end in plan
        ]  # fmt: skip
        features, _ = padded([pause_features(pause) for pause in pauses])
        labels = []
        for name in self.model.config.outputs:
            column = encoded.text.labels[name]
            values, _ = padded([column[start:end].astype(np.int64) - UNLABELLED for start, end in plan])
            labels.append((values + UNLABELLED).to(device))
        return Batch(words.to(device), affixes.to(device), features.to(device), lengths.to(device), labels)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The mean of the columns' cross-entropies, in nats a word."""
        scores = self.model(batch.words, batch.affixes, batch.pauses, batch.lengths)
        parts = [
            cross_entropy(score.flatten(0, 1).float(), labels.flatten(), ignore_index=UNLABELLED)
            for score, labels in zip(scores, batch.labels, strict=True)
        ]
        return torch.stack(parts).sum(), {"words": float(batch.lengths.sum())}

    def validate(self, device: torch.device) -> dict[str, float]:
        """Nats a word summed over the columns, and the share of wrong labels of each."""
        random = np.random.default_rng(self._seed)
        nats = words = 0.0
        wrong = dict.fromkeys(self.model.config.outputs, 0.0)
        with torch.inference_mode():
            for plan in self._plan(self._texts[1].text, random):
                batch = self._batch(self._texts[1], plan, random, device)
                scores = self.model(batch.words, batch.affixes, batch.pauses, batch.lengths)
                words += float(batch.lengths.sum())
                for name, score, labels in zip(wrong, scores, batch.labels, strict=True):
                    flat, known = score.flatten(0, 1), labels.flatten()
                    nats += float(cross_entropy(flat, known, ignore_index=UNLABELLED, reduction="sum"))
                    wrong[name] += float(((flat.argmax(1) != known) & (known != UNLABELLED)).sum())
        return {"nats": round(nats / words, 5)} | {f"{name}_error": round(n / words, 5) for name, n in wrong.items()}


class _Encoded:
    """A text with the ids and affixes of its types."""

    def __init__(self, text: TaggedText, ids: Mapping[str, int], model: TagNetwork) -> None:
        self.text = text
        self.ids = np.array([ids.get(word, UNKNOWN_ID) for word in text.types], np.int64)
        self.affixes = affix_ids(text.types, model.config)

    def fingerprint(self) -> str:
        """What tells the text and its labels from others."""
        text = self.text
        return fingerprint(
            text.types, self.ids, text.words, text.ends, *(text.labels[name] for name in sorted(text.labels))
        )


def _cut(ends: NDArray[np.bool_], config: SequenceConfig, random: np.random.Generator) -> list[tuple[int, int]]:
    """Sequences (first word, end) of lengths as `config` says that cover a text once."""
    stops = np.flatnonzero(ends) + 1
    spans, start = [], 0
    while start < len(ends):
        length = int(np.exp(random.uniform(np.log(config.shortest), np.log(config.longest + 1))))
        end = min(start + length, len(ends))
        if random.random() < config.at_ends:
            place = int(np.searchsorted(stops, start + length))
            if place < len(stops) and stops[place] - start <= config.longest:
                end = int(stops[place])
        spans.append((start, end))
        start = end
    return spans
