"""LSTM language models over words: embedding, recurrent stack, and a softmax that is full or adaptive."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asr.errors import CheckpointError, ConfigError
from asr.nn import Recurrent
from asr.nn.dropout import dropout
from asr.nn.recurrent import State

ROUND = 64  # words; a multiple of these suits the processor's tiles
EMPTY = -1e4  # logit of a word that there is not
END_ID, UNKNOWN_ID = 0, 1  # in every vocabulary; the end of a sentence is also the beginning of the next


@dataclass(frozen=True)
class LstmLmConfig:
    """Sizes and regularisation of a language model, whose vocabulary is sorted by falling frequency."""

    embedding_size: int = 256  # values of a word's input embedding
    hidden_size: int = 256  # units of a layer
    num_layers: int = 2  # of the recurrent stack
    dropout: float = 0.1  # of the stack's input, between its layers, and of its output
    # Adaptive softmax (Grave et al. 2017): the ids at which its clusters begin; empty: a full softmax
    cutoffs: tuple[int, ...] = ()
    cluster_shrink: float = 4.0  # factor by which each cluster has fewer dimensions than the one before
    input_words: int = 0  # words with an embedding of their own, the rest share the unknown word's; 0: all
    tied: bool = False  # input embeddings and output weights are the same (Press & Wolf 2017; Inan et al. 2017)
    # Regularisation of AWD-LSTM (Merity et al. 2018)
    variational: bool = False  # one dropout mask for all steps of a sequence (Gal & Ghahramani 2016)
    input_dropout: float = -1.0  # of the stack's input; below 0: like `dropout`
    output_dropout: float = -1.0  # of its output; below 0: like `dropout`
    embedding_dropout: float = 0.0  # of whole words, one mask for a batch
    weight_dropout: float = 0.0  # of recurrent weights, one mask for a batch
    # In training the sum of the full softmax, or of the adaptive one's last cluster, may be estimated without bias from
    # its `frequent` first words and a sample of `samples` others, weighted to represent all the rest. 0: all words.
    samples: int = 0
    frequent: int = 2000  # words that `samples` always has beside it, the first of the vocabulary or of the cluster

    def __post_init__(self) -> None:
        if any(left >= right for left, right in itertools.pairwise((UNKNOWN_ID + 1, *self.cutoffs))):
            raise ConfigError("model.cutoffs must be rising word ids above 2.")
        if self.tied and (self.cutoffs or self.input_words or self.embedding_size != self.hidden_size):
            raise ConfigError("model.tied needs a full softmax, all input words, and embedding_size = hidden_size.")
        if self.samples < 0 or self.frequent < 1:
            raise ConfigError("model.samples must be 0 or more and model.frequent at least 1.")


class LstmLanguageModel(nn.Module):
    """A language model that predicts each next word: embedding, recurrent stack, softmax."""

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
            "lstm", config.embedding_size, config.hidden_size, config.num_layers, dropout=config.dropout,
            variational=config.variational, weight_dropout=config.weight_dropout,
        )  # fmt: skip
        if config.cutoffs:
            self.adaptive = nn.AdaptiveLogSoftmaxWithLoss(
                config.hidden_size, num_words, list(config.cutoffs), config.cluster_shrink
            )
        else:
            self.output = nn.Linear(config.hidden_size, num_words)
            if config.tied:
                self.output.weight = self.embedding.weight

    def load_arrays(self, arrays: Mapping[str, NDArray[np.float32]], source: str) -> None:
        """Load the weights of a folder. Raises CheckpointError, naming `source`, if they have other sizes."""
        try:
            self.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
        except RuntimeError:
            raise CheckpointError(f"{source} has weights of other sizes than its settings say.") from None

    def hidden(
        self, words: Tensor, lengths: Tensor | None = None, states: State | None = None
    ) -> tuple[Tensor, State | None]:
        """The vectors (batch, time, hidden) that predict the word after each of `words` (batch, time), and the final
        states, None if `lengths` are given."""
        outputs, after = self.outputs(words, lengths, states)
        return self.dropped(outputs), after

    def outputs(
        self, words: Tensor, lengths: Tensor | None = None, states: State | None = None
    ) -> tuple[Tensor, State | None]:
        """The same as `hidden`, before the last dropout."""
        config = self.config
        known = torch.where(words < self.input_words, words, UNKNOWN_ID)
        embedded = self.embedding(known)
        if config.embedding_dropout and self.training:
            mask = dropout(embedded.new_ones(self.input_words), config.embedding_dropout)
            embedded = embedded * mask[known][:, :, None]
        embedded = self._dropped(embedded, config.input_dropout)
        outputs: tuple[Tensor, State | None] = self.recurrent(embedded, lengths, states, lengths is None)
        return outputs

    def dropped(self, outputs: Tensor) -> Tensor:
        """`outputs` (batch, time, hidden) after the last dropout."""
        return self._dropped(outputs, self.config.output_dropout)

    def _dropped(self, values: Tensor, share: float) -> Tensor:
        share = self.config.dropout if share < 0 else share
        if not self.config.variational:
            return dropout(values, share, self.training)
        return values * dropout(values.new_ones(len(values), 1, values.shape[2]), share, self.training)

    def log_probs(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """ln P of each of `targets` (rows,), predicted by the same row of `hidden` (rows, hidden_size)."""
        config = self.config
        if not config.cutoffs:
            if self._is_sampled(self.num_words):
                return self._sampled_log_probs(hidden, targets, self.output.weight, self.output.bias)
            return -nn.functional.cross_entropy(self.output(hidden), targets, reduction="none")
        if self._is_sampled(self.num_words - config.cutoffs[-1]):
            return self._clustered_log_probs(hidden, targets)
        # Under autocast its parts are single precision on a GPU and bfloat16 on a CPU, and must be of one type.
        scores: Tensor = self.adaptive(hidden.float() if hidden.is_cuda else hidden, targets).output
        return scores

    def _is_sampled(self, words: int) -> bool:
        """Whether the sum over a softmax of so many words is estimated from a sample."""
        return self.training and 0 < self.config.samples < words - self.config.frequent

    def _clustered_log_probs(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """`log_probs` of an adaptive softmax with the last cluster's sum estimated."""
        starts = self.config.cutoffs
        cluster = torch.bucketize(targets, torch.tensor(starts, device=targets.device), right=True)
        in_head = torch.where(cluster > 0, starts[0] - 1 + cluster, targets)
        scores = _log_probs(hidden, in_head, self.adaptive.head.weight)
        for number, start in enumerate(starts, start=1):
            rows = torch.nonzero(cluster == number)[:, 0]
            reduced, words = self.adaptive.tail[number - 1].children()
            narrow, within, weight = reduced(hidden[rows]), targets[rows] - start, words.get_parameter("weight")
            estimate = number == len(starts)
            own = self._sampled_log_probs(narrow, within, weight) if estimate else _log_probs(narrow, within, weight)
            scores = scores.index_add(0, rows, own)
        return scores

    def _sampled_log_probs(self, hidden: Tensor, targets: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """ln P of `targets` by a softmax, its sum estimated from frequent words, a sample, and the target."""
        frequent, rest = self.config.frequent, len(weight) - self.config.frequent
        drawn = frequent + torch.randperm(rest, device=hidden.device)[: self.config.samples]
        ids = torch.cat([torch.arange(frequent, device=hidden.device), drawn])
        own = (hidden * nn.functional.embedding(targets, weight)).sum(dim=1).float()
        shift = own.new_zeros(len(ids))
        if bias is not None:
            own, shift = own + bias[targets], bias[ids].clone()
        shift[frequent:] += math.log(rest / len(drawn))
        logits = (hidden @ nn.functional.embedding(ids, weight).t()).float() + shift
        places = torch.full((len(weight),), -1, device=hidden.device)
        places[ids] = torch.arange(len(ids), device=hidden.device)
        rows = torch.nonzero(places[targets] >= 0)[:, 0]
        logits = logits.index_put((rows, places[targets[rows]]), logits.new_tensor(-math.inf))  # the target counts once
        return own - torch.logaddexp(own, logits.logsumexp(dim=1))


def _log_probs(hidden: Tensor, targets: Tensor, weight: Tensor) -> Tensor:
    """ln P of `targets` by a full softmax of `weight` (words, size), in single precision.

    The words are filled up to a round number, with which products in bfloat16 on a CPU take half as long.
    """
    missing = -len(weight) % ROUND
    shift = weight.new_zeros(len(weight) + missing)
    shift[len(weight) :] = EMPTY
    logits = nn.functional.linear(hidden, nn.functional.pad(weight, (0, 0, 0, missing)), shift)
    return -nn.functional.cross_entropy(logits.float(), targets, reduction="none")
