"""Classifiers that start from a language model (Dai & Le 2015; Howard & Ruder 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from asr.errors import ConfigError
from asr.lm.lstm.folder import load_lm
from asr.nlp.model import ClassifierConfig, TextClassifier
from asr.nlp.words import PADDING, UNKNOWN, Vocabulary

NEW_WORD_NOISE = 0.1  # relative to the standard deviation of the embeddings


def from_language_model(
    folder: Path, config: ClassifierConfig, num_classes: int, more_words: Sequence[str] = ()
) -> tuple[TextClassifier, Vocabulary]:
    """A classifier with the words, embeddings and recurrent layers of a language model of words, and its vocabulary.

    more_words: words of the training texts; those that the language model lacks start near its mean embedding. The
    classifier takes the language model's sizes, whatever `config` says. If it is bidirectional, it has one layer, whose
    forward direction is the language model's first. Train the language model on texts written by `asr nlp text`.
    Raises CheckpointError for a damaged folder, ConfigError for a language model that does not fit.
    """
    stored = load_lm(folder)
    if stored.units is not None:
        raise ConfigError(f"{folder} is a language model of {stored.units.name}; a classifier needs one of words.")
    layers = 1 if config.bidirectional else int(stored.config["num_layers"])
    if config.kind != "lstm":
        raise ConfigError(f"a language model is an LSTM: leave model.kind = '{config.kind}' out.")
    rows = len(stored.embedding)  # an adaptive softmax may know more words than have embeddings
    known = stored.words[2:rows]
    new = sorted(set(more_words) - set(known) - {PADDING, UNKNOWN})
    vocabulary = Vocabulary([PADDING, UNKNOWN, *known, *new])
    sizes = replace(
        config,
        embedding_size=int(stored.config["embedding_size"]),
        hidden_size=int(stored.config["hidden_size"]),
        num_layers=layers,
    )
    model = TextClassifier(sizes, rows + len(new), num_classes)
    # A bidirectional stack's backward layer is not among the weights; the upper layers have no use in it.
    own = model.recurrent.state_dict()
    weights = {name: torch.from_numpy(value) for name, value in stored.stack.items() if name in own}
    model.recurrent.load_state_dict(weights, strict=not config.bidirectional)
    learned = torch.from_numpy(stored.embedding)
    near = learned.mean(0) + NEW_WORD_NOISE * learned.std(0) * torch.randn(len(new), learned.shape[1])
    with torch.no_grad():
        model.embedding.weight.copy_(torch.cat([learned, near]))
        model.embedding.weight[0] = 0.0  # the row of the sentence end is padding here
    return model, vocabulary
