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

NEW_WORD_NOISE = 0.1  # of the embeddings' deviation


def from_language_model(
    folder: Path, config: ClassifierConfig, num_classes: int, more_words: Sequence[str] = ()
) -> tuple[TextClassifier, Vocabulary]:
    """A classifier with the words, the embeddings and the recurrent layers of a language model of words.

    more_words: those of the training texts; the ones that the language model lacks begin near its mean embedding.
    Its sizes are the language model's, whatever `config` says. A bidirectional one (of one layer) takes the layer for
    its forward direction. The language model should have read texts as `asr nlp text` writes them.
    Raises CheckpointError for a damaged folder, ConfigError for a language model that does not fit.
    """
    found = load_lm(folder)
    if found.units is not None:
        raise ConfigError(f"{folder} is a language model of {found.units.name}; a classifier needs one of words.")
    layers = int(found.config["num_layers"])
    if config.bidirectional and layers > 1:
        raise ConfigError(f"{folder} has {layers} layers that read forward: set model.bidirectional = false.")
    if config.kind != "lstm":
        raise ConfigError(f"a language model is an LSTM: leave model.kind = '{config.kind}' out.")
    rows = len(found.arrays["embedding.weight"])  # an adaptive softmax may know more words than have embeddings
    known = found.words[2:rows]
    new = sorted(set(more_words) - set(known) - {PADDING, UNKNOWN})
    vocabulary = Vocabulary([PADDING, UNKNOWN, *known, *new])
    sizes = replace(
        config,
        embedding_size=int(found.config["embedding_size"]),
        hidden_size=int(found.config["hidden_size"]),
        num_layers=layers,
    )
    model = TextClassifier(sizes, rows + len(new), num_classes)
    values = {name: torch.from_numpy(value) for name, value in found.arrays.items() if name.startswith("recurrent.")}
    learned = torch.from_numpy(found.arrays["embedding.weight"])
    near = learned.mean(0) + NEW_WORD_NOISE * learned.std(0) * torch.randn(len(new), learned.shape[1])
    values["embedding.weight"] = torch.cat([learned, near])
    values["embedding.weight"][0] = 0.0  # the sentence end's row is padding here
    model.load_state_dict(values, strict=False)
    return model, vocabulary
