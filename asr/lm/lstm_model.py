"""LSTM language models over words: embedding, recurrent stack, and a softmax that is full or adaptive."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asr.errors import ConfigError
from asr.nn import Recurrent

END_ID, UNKNOWN_ID = 0, 1  # of every vocabulary; the end of a sentence also stands for its beginning


@dataclass(frozen=True)
class LstmLmConfig:
    """Sizes of a language model; its vocabulary is sorted by falling frequency."""

    embedding_size: int = 256
    hidden_size: int = 256
    num_layers: int = 2
    dropout: float = 0.1  # of the stack's input, between its layers, and of its output
    cutoffs: tuple[
        int, ...
    ] = ()  # of the adaptive softmax (Grave et al. 2017): ids where its clusters begin; empty: full
    cluster_shrink: float = 4.0  # each cluster has that much fewer dimensions than the one before
    input_words: int = 0  # words with an embedding of their own, the others share the unknown word's; 0: all
    tied: bool = False  # input embeddings are output weights (Press & Wolf 2017; Inan et al. 2017)

    def __post_init__(self) -> None:
        if any(left >= right for left, right in itertools.pairwise((UNKNOWN_ID + 1, *self.cutoffs))):
            raise ConfigError("model.cutoffs must be rising word ids, above 2.")
        if self.tied and (self.cutoffs or self.input_words or self.embedding_size != self.hidden_size):
            raise ConfigError("model.tied needs a full softmax, all input words, and embedding_size = hidden_size.")


class LstmLanguageModel(nn.Module):
    """ln P of each next word."""

    def __init__(self, config: LstmLmConfig, num_words: int) -> None:
        """Raises ConfigError for cutoffs beyond the vocabulary."""
        super().__init__()
        if config.cutoffs and config.cutoffs[-1] >= num_words:
            raise ConfigError(f"model.cutoffs must lie below the vocabulary's {num_words} words.")
        self.config, self.num_words = config, num_words
        self.input_words = min(config.input_words or num_words, num_words)
        self.embedding = nn.Embedding(self.input_words, config.embedding_size)
        nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
        self.recurrent = Recurrent(
            "lstm", config.embedding_size, config.hidden_size, config.num_layers, dropout=config.dropout
        )
        self.dropout = nn.Dropout(config.dropout)
        if config.cutoffs:
            self.adaptive = nn.AdaptiveLogSoftmaxWithLoss(
                config.hidden_size, num_words, list(config.cutoffs), config.cluster_shrink
            )
        else:
            self.output = nn.Linear(config.hidden_size, num_words)
            if config.tied:
                self.output.weight = self.embedding.weight

    def hidden(self, words: Tensor, lengths: Tensor | None = None, states: tuple | None = None) -> tuple[Tensor, tuple]:
        """What predicts the word after each of `words` (batch, time): (batch, time, hidden), and the final states."""
        known = torch.where(words < self.input_words, words, UNKNOWN_ID)
        embedded = self.dropout(self.embedding(known))
        outputs, after = self.recurrent(embedded, lengths, states, return_states=lengths is None)
        return self.dropout(outputs), after

    def log_probs(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """ln P of each of `targets` (rows,) by the row of `hidden` (rows, hidden_size) that predicts it."""
        if self.config.cutoffs:
            return self.adaptive(hidden, targets).output
        return -nn.functional.cross_entropy(self.output(hidden), targets, reduction="none")
