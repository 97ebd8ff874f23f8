"""The tagging network: embeddings of words and affixes, a bidirectional recurrent stack, a linear layer per column."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.nlp.tagging.config import UNKNOWN_ID, TaggerConfig
from asr.nn import Dropout, Recurrent


class TagNetwork(nn.Module):
    """Scores of the labels of each word of a text."""

    def __init__(self, config: TaggerConfig, num_words: int) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(num_words, config.embedding_size)
        self.affixes = nn.Embedding(2 * config.affixes, config.embedding_size) if config.affixes else None
        for embedding in (self.words, self.affixes):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=0.1)
        size = config.embedding_size + (2 if config.pauses else 0)
        self.recurrent = Recurrent(config.kind, size, config.hidden_size, config.num_layers, True, config.dropout)
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(self.recurrent.output_size, sum(map(len, config.outputs.values())))

    def forward(self, words: Tensor, affixes: Tensor, pauses: Tensor, lengths: Tensor) -> list[Tensor]:
        """Scores (batch, time, labels) for each column of `config.outputs`.

        words: ids (batch, time); affixes: rows (batch, time, 2) as of `affix_ids`; pauses: (batch, time, 2) as of
        `pause_features`, not read without `config.pauses`; lengths: (batch,).
        """
        if self.training and self.config.word_dropout:
            dropped = torch.rand(words.shape, device=words.device) < self.config.word_dropout
            words = words.masked_fill(dropped, UNKNOWN_ID)
        read = self.words(words)
        if self.affixes is not None:
            rows = affixes + torch.tensor([0, self.config.affixes], device=affixes.device)
            read = read + self.affixes(rows).sum(dim=2)
        read = self.dropout(read)
        if self.config.pauses:
            read = torch.cat([read, pauses], dim=2)
        hidden, _ = self.recurrent(read, lengths, return_states=False)
        scores: Tensor = self.output(self.dropout(hidden))
        return list(scores.split([len(labels) for labels in self.config.outputs.values()], dim=2))
