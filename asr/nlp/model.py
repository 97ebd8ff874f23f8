"""The text classifier: embeddings, recurrent stack, pooling over the words, a linear layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asr.errors import ConfigError
from asr.nn import Dropout, Recurrent
from asr.nn.lengths import inside

POOLINGS = ("max", "mean", "attention", "concat")


@dataclass(frozen=True)
class ClassifierConfig:
    """Sizes of a text classifier."""

    kind: str = "lstm"  # of the recurrent stack
    embedding_size: int = 128  # values of a word's embedding
    hidden_size: int = 128  # units of a layer, in each direction
    num_layers: int = 1  # of the recurrent stack
    bidirectional: bool = True  # read each text in both directions
    pooling: str = "max"  # over the words; concat: last, mean and max concatenated (Howard & Ruder 2018)
    weight_dropout: float = 0.0  # of recurrent weights, one mask for a batch
    word_dropout: float = 0.1  # share of words replaced by the unknown word in training
    dropout: float = 0.5  # of embeddings, between layers, and of what is pooled

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ConfigError(f"model.pooling must be one of {', '.join(POOLINGS)}, not '{self.pooling}'.")


class TextClassifier(nn.Module):
    """A classifier of texts by their word ids."""

    def __init__(self, config: ClassifierConfig, num_words: int, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(num_words, config.embedding_size, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.recurrent = Recurrent(
            config.kind, config.embedding_size, config.hidden_size, config.num_layers, config.bidirectional,
            config.dropout, weight_dropout=config.weight_dropout,
        )  # fmt: skip
        self.attention = nn.Linear(self.recurrent.output_size, 1) if config.pooling == "attention" else None
        self.dropout = Dropout(config.dropout)
        parts = 3 if config.pooling == "concat" else 1
        self.output = nn.Linear(parts * self.recurrent.output_size, num_classes)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """The scores (batch, classes) of texts: ids `words` (batch, time), 0 beyond `lengths` (batch,)."""
        if self.training and self.config.word_dropout:
            words = words.masked_fill(torch.rand(words.shape, device=words.device) < self.config.word_dropout, 1)
        return self.classify(self.embedding(words), lengths)

    def classify(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """The scores (batch, classes) of embedded words (batch, time, embedding)."""
        hidden, _ = self.recurrent(self.dropout(embedded), lengths, return_states=False)
        mask = inside(lengths, hidden.shape[1])[:, :, None]
        scores: Tensor = self.output(self.dropout(self._pooled(hidden, mask, lengths)))
        return scores

    def _pooled(self, hidden: Tensor, mask: Tensor, lengths: Tensor) -> Tensor:
        """(batch, features) of outputs `hidden` (batch, time, size)."""
        if self.attention is not None:
            weights: Tensor = self.attention(hidden).masked_fill(~mask, float("-inf")).softmax(dim=1)
            return (weights * hidden).sum(dim=1)
        mean = hidden.sum(dim=1) / lengths[:, None]  # outputs beyond a length are zero
        if self.config.pooling == "mean":
            return mean
        most = hidden.masked_fill(~mask, float("-inf")).amax(dim=1)
        if self.config.pooling == "max":
            return most
        last = hidden[torch.arange(len(hidden), device=hidden.device), lengths - 1]
        return torch.cat([last, mean, most], dim=1)
