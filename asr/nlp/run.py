"""Training a text classifier: from a table to a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asr.config import may_change
from asr.errors import ConfigError, DataError
from asr.nlp.baseline import Baseline, log_loss
from asr.nlp.fine_tuning import from_language_model
from asr.nlp.folder import Classifier, class_numbers, save_classifier
from asr.nlp.model import ClassifierConfig, TextClassifier
from asr.nlp.table import Table
from asr.nlp.task import BatchConfig, ClassifierTask, FineTuneConfig
from asr.nlp.words import STOP_WORDS, Vocabulary, read_vectors, shortened, words_of
from asr.shipped import neural_lm_path
from asr.train.config import TrainConfig
from asr.train.log import FinalLog, Report
from asr.train.loop import Trainer

DEV_SHARE = 0.1  # of each class
BEST = "best"
# Weights of tf-idf in the mixture with the network, by what is kept.
SHARES = {
    BEST: (0.0, 0.25, 0.5, 0.75, 1.0), "lstm": (0.0,), "tf-idf": (1.0,), "both": (0.25, 0.5, 0.75),
}  # fmt: skip


def _default_training() -> TrainConfig:
    return TrainConfig(epochs=8, peak_lr=2e-3, average=1, patience=3, weight_decay=1e-3)


@dataclass(frozen=True)
class ClassifierRunConfig:
    """The whole configuration of `asr nlp train`."""

    model: ClassifierConfig = field(default_factory=ClassifierConfig)
    batches: BatchConfig = field(default_factory=BatchConfig)
    train: TrainConfig = field(default_factory=_default_training)
    min_count: int = 2  # least count of a word in the vocabulary
    most_words: int = 60_000  # in the vocabulary
    stop_words: bool = False  # leave out words such as `the`
    vectors: str = ""  # text file of word vectors to start from
    # Folder from `asr lm train` to start from, or `shipped` for the English model's. The classifier takes its words and
    # sizes; see `fine_tune`.
    language_model: str = ""
    fine_tune: FineTuneConfig = field(default_factory=FineTuneConfig)
    # What the model answers with: lstm, tf-idf, both (a mixture), or best: what has the least log loss on the
    # validation texts.
    keep: str = may_change(BEST)

    def __post_init__(self) -> None:
        if self.language_model and self.vectors:
            raise ConfigError("start from vectors or from a language_model, not from both.")
        if self.keep not in SHARES:
            raise ConfigError(f"keep must be one of {', '.join(SHARES)}, not '{self.keep}'.")


@dataclass(frozen=True)
class TrainedClassifier:
    """What a training made. errors: on the validation texts, of `lstm`, `tf-idf`, and of what was `kept`."""

    final: FinalLog
    kept: str  # in words
    baseline_share: float
    errors: dict[str, float]


def split_dev(labels: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices to train on and to validate on; the latter are a tenth of each class that has two texts or more."""
    random = np.random.default_rng(seed)
    held: list[int] = []
    for number in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == number))
        held += rows[: max(1, round(DEV_SHARE * len(rows))) if len(rows) > 1 else 0].tolist()
    chosen = np.array(sorted(held), dtype=np.int64)
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def train_classifier(
    config: ClassifierRunConfig,
    train: Table,
    dev: Table | None,
    output: Path,
    resume: bool = False,
    report: Report | None = None,
) -> TrainedClassifier:
    """Train on a table, write the folder, return what was made.

    dev: the table to validate on; None takes a tenth of each class of `train`. Raises DataError for fewer than two
    classes, and where none has a second text to validate on.
    """
    labels = train.labelled
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise DataError(f"{train.source} has only one class, '{classes[0]}'; a classifier needs two or more.")
    stops = STOP_WORDS if config.stop_words else frozenset()
    words = [words_of(text, stops) for text in train.texts]
    numbers = np.array([classes.index(label) for label in labels])
    rows, held = (np.arange(len(labels)), np.zeros(0, int)) if dev else split_dev(numbers, config.train.seed)
    if dev is None and not len(held):
        raise DataError(
            f"{train.source} has a single text of each class, which leaves none to validate on; give more texts of a "
            "class, or a table with `dev`."
        )
    read = Vocabulary.of((words[row] for row in rows), config.min_count, config.most_words)
    torch.manual_seed(config.train.seed)
    if config.language_model:
        model, vocabulary = from_language_model(
            Path(neural_lm_path(config.language_model) or ""), config.model, len(classes), read.words
        )
    else:
        vocabulary = read
        model = TextClassifier(config.model, len(vocabulary.words), len(classes))
    if config.vectors:
        _start_from_vectors(model, vocabulary, config.vectors)
    if dev is not None:
        plain_texts, dev_numbers = dev.texts, class_numbers(classes, dev.labelled, dev.source, dev.rows)
    else:
        plain_texts, dev_numbers = [train.texts[row] for row in held], numbers[held]
    baseline = Baseline.fit([train.texts[row] for row in rows], numbers[rows], len(classes), (plain_texts, dev_numbers))
    classifier = Classifier(model, vocabulary, classes, config.batches, config.stop_words, baseline)
    encoded = [vocabulary.encode(shortened(text, config.batches.max_words)) for text in words]
    dev_texts = [classifier.encode(text) for text in plain_texts]
    task = ClassifierTask(
        model, [encoded[row] for row in rows], numbers[rows], dev_texts, dev_numbers, config.batches,
        config.train.seed, fine_tune=config.fine_tune if config.language_model else None,
    )  # fmt: skip
    final = Trainer(task, config.train, output, report, config).run(resume)
    errors = _choose_share(classifier, plain_texts, dev_numbers, SHARES[config.keep])
    save_classifier(output, classifier)
    return TrainedClassifier(final, classifier.description, classifier.baseline_share, errors)


def _choose_share(
    classifier: Classifier, texts: list[str], numbers: NDArray[np.int64], shares: Sequence[float]
) -> dict[str, float]:
    """Set the weight of tf-idf to the one of the least log loss; the errors of the parts and of the mixture."""
    parts = []
    for share in (0.0, 1.0):
        classifier.baseline_share = share
        parts.append(classifier.probabilities(texts))
    mixed = {share: (1 - share) * parts[0] + share * parts[1] for share in (0.0, 1.0, *shares)}
    losses = {share: log_loss(mixed[share], numbers) for share in shares}
    best = min(losses, key=lambda share: losses[share])
    classifier.baseline_share = best
    named = {"lstm": mixed[0.0], "tf-idf": mixed[1.0], "kept": mixed[best]}
    return {name: round(float((chances.argmax(axis=1) != numbers).mean()), 5) for name, chances in named.items()}


def _start_from_vectors(model: TextClassifier, vocabulary: Vocabulary, path: str) -> None:
    vectors, known = read_vectors(path, vocabulary, model.config.embedding_size)
    with torch.no_grad():
        model.embedding.weight[torch.from_numpy(known)] = torch.from_numpy(vectors[known])
