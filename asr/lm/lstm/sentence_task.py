"""Training of LSTM language models on sentences, as a task for the one training loop.

Sentences are independent, as in the search: each begins with zero states. A batch holds sentences of similar length, so
that little of it is padding.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.errors import ConfigError, TextError
from asr.lm.lstm.network import END_ID, UNKNOWN_ID, LstmLanguageModel
from asr.lm.word_model import END
from asr.nn.lengths import inside
from asr.train.fingerprint import fingerprint
from asr.train.log import SpeedUnit

UNKNOWN = "<unk>"
LENGTH_NOISE = 0.02  # relative jitter added to lengths before sorting, so that batches differ from epoch to epoch
WORD_SPEED = SpeedUnit("words", "words_per_second", "words a second")


@dataclass(frozen=True)
class TextConfig:
    """How text is divided into batches."""

    batch_words: int = 2048  # in one batch, ends of sentences included
    parts: int = 1  # the text is divided into so many parts, each an epoch with its own validation
    max_words: int = 200  # longer sentences are cut into pieces
    # Running text: each sentence begins with the state at the end of the one before.
    running: bool = False
    streams: int = 20  # parts of the text that are read in parallel
    steps: int = 70  # words through which gradients flow back, varied at random (Merity et al. 2018)
    activation_penalty: float = 0.0  # times the mean square of the output (AR of Merity et al. 2018)
    change_penalty: float = 0.0  # times the mean square of its change from word to word (TAR)

    def __post_init__(self) -> None:
        if min(self.batch_words, self.parts, self.max_words, self.streams, self.steps) < 1:
            raise ConfigError("text.batch_words, parts, max_words, streams and steps must be at least 1.")


class Sentences:
    """Encoded sentences in one array, between ends of sentences: one's end is the next one's beginning."""

    def __init__(self, pieces: Iterable[Sequence[int]], max_words: int, source: str = "the text") -> None:
        """source: what to call them in errors. Raises TextError if there are none."""
        chunks, starts, at = [np.array([END_ID], np.int32)], [], 0
        for words in pieces:
            for begin in range(0, len(words), max_words):
                part = words[begin : begin + max_words]
                starts.append(at)
                chunks.append(np.array([*part, END_ID], np.int32))
                at += len(part) + 1
        if not starts:
            raise _no_words(source)
        self.ids = np.concatenate(chunks)
        self.starts = np.array([*starts, at])
        self.lengths = np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.lengths)


def _no_words(source: str) -> TextError:
    return TextError(f"{source} has no words; a language model needs sentences, one per line.")


def vocabulary_of(sentences: Iterable[str], most: int = 0, allowed: Iterable[str] | None = None) -> list[str]:
    """The end of sentence, the unknown word, and the `most` most frequent words (0: all) by falling count."""
    counts = Counter(word for sentence in sentences for word in sentence.split())
    if not counts:
        raise _no_words("the text")
    wanted = None if allowed is None else set(allowed)
    words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    words = [word for word in words if (wanted is None or word in wanted) and word not in (END, UNKNOWN)]
    if not words:
        raise TextError("no word of the text is in the vocabulary; do they differ in case?")
    return [END, UNKNOWN, *(words[:most] if most else words)]


def encode(sentences: Iterable[str], ids: dict[str, int], blank_lines: bool = False) -> Iterable[list[int]]:
    """The word ids of each sentence that has words; with `blank_lines` also of those without."""
    for sentence in sentences:
        words = sentence.split()
        if words or blank_lines:
            yield [ids.get(word, UNKNOWN_ID) for word in words]


@dataclass
class WordBatch:
    """Sentences padded to one length."""

    inputs: Tensor  # (batch, time): end of sentence, then the words
    targets: Tensor  # (batch, time): the words, then the end of sentence
    lengths: Tensor  # (batch,)


@dataclass
class LmTask:
    """Training and validation of one language model on sentences."""

    model: LstmLanguageModel
    train: Sentences
    dev: Sentences
    text: TextConfig
    seed: int = 1
    metric: str = "perplexity"
    speed_unit = WORD_SPEED

    def __post_init__(self) -> None:
        if self.text.parts > len(self.train):
            raise ConfigError("text.parts must not be more than there are sentences.")

    def fingerprints(self) -> dict[str, str]:
        """What tells the texts from others."""
        return {"training data": fingerprint(self.train.ids), "validation data": fingerprint(self.dev.ids)}

    def plan(self, epoch: int) -> list[NDArray[np.int64]]:
        """Batches of sentence indices, from the epoch's part of the text."""
        turn, part = divmod(epoch, self.text.parts)
        chosen = np.random.default_rng([self.seed, turn]).permutation(len(self.train))[part :: self.text.parts]
        random = np.random.default_rng([self.seed, epoch, 1])
        lengths = self.train.lengths[chosen]
        jittered = lengths * random.uniform(1 - LENGTH_NOISE, 1 + LENGTH_NOISE, len(lengths))
        batches = self._batches(self.train, chosen[np.argsort(jittered, kind="stable")])
        return [batches[place] for place in random.permutation(len(batches))]

    def _batches(self, sentences: Sentences, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """`order`, nearly sorted by length, in batches of at most `batch_words`, padding included."""
        batches, begin = [], 0
        while begin < len(order):
            room = max(1, self.text.batch_words // int(sentences.lengths[order[begin]]))
            longest = int(sentences.lengths[order[begin : begin + room]].max())
            room = max(1, self.text.batch_words // longest)
            batches.append(order[begin : begin + room])
            begin += room
        return batches

    def prepare(self, plan: NDArray[np.int64], epoch: int, device: torch.device) -> WordBatch:
        return padded(self.train, plan, device)

    def loss(self, batch: WordBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean negative ln P of a word, in nats; `words` counts ends of sentences too."""
        log_probs = self._log_probs(batch)
        return -log_probs.mean(), {"words": float(len(log_probs))}

    def _log_probs(self, batch: WordBatch) -> Tensor:
        hidden, _ = self.model.hidden(batch.inputs, batch.lengths)
        mask = inside(batch.lengths, batch.inputs.shape[1])
        return self.model.log_probs(hidden[mask], batch.targets[mask])

    def validate(self, device: torch.device) -> dict[str, float]:
        """Perplexity of the dev sentences, unknown words and ends of sentences counted."""
        total, count = 0.0, 0
        for plan in self._batches(self.dev, np.argsort(self.dev.lengths, kind="stable")):
            log_probs = self._log_probs(padded(self.dev, plan, device))
            total, count = total - float(log_probs.double().sum()), count + len(log_probs)
        return {"perplexity": round(math.exp(total / count), 3)}


def padded(sentences: Sentences, chosen: NDArray[np.int64], device: torch.device) -> WordBatch:
    """The sentences of indices `chosen` as a batch."""
    lengths = sentences.lengths[chosen]
    time = np.arange(lengths.max())
    places = np.minimum(sentences.starts[chosen][:, None] + time[None, :], len(sentences.ids) - 2)
    inputs, targets = (torch.from_numpy(sentences.ids[places + step].astype(np.int64)) for step in (0, 1))
    return WordBatch(inputs.to(device), targets.to(device), torch.from_numpy(lengths).to(device))
