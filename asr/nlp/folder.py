"""Text classifiers as folders: model.safetensors, baseline.safetensors, words.txt, terms.txt, config.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from asr.atomic_file import write_atomically
from asr.config import from_dict, to_dict
from asr.errors import CheckpointError, ConfigError, DataError
from asr.model_folder import read_config, write_config
from asr.nlp.baseline import BASELINE, Baseline
from asr.nlp.explain import attributions
from asr.nlp.model import ClassifierConfig, TextClassifier
from asr.nlp.task import BatchConfig, probabilities
from asr.nlp.words import STOP_WORDS, UNKNOWN, Vocabulary, shortened, words_of
from asr.train.checkpoint import read_tensors, write_tensors

TYPE = "text-classifier"


@dataclass
class Classifier:
    """A trained model with its vocabulary, its classes by number, and the baseline fitted to the same texts.

    Its probabilities are a mixture of the two: `baseline_share` is the baseline's weight.
    """

    model: TextClassifier
    vocabulary: Vocabulary
    classes: list[str]
    batches: BatchConfig
    stop_words: bool
    baseline: Baseline
    baseline_share: float = 0.0

    @property
    def description(self) -> str:
        """What its probabilities are of."""
        if 0 < self.baseline_share < 1:
            return f"the mixture of LSTM and tf-idf ({1 - self.baseline_share:g} and {self.baseline_share:g})"
        return BASELINE if self.baseline_share else "the LSTM"

    def encode(self, text: str) -> list[int]:
        """The word ids of a text, at least one."""
        return self.vocabulary.encode(self.words(text))

    def words(self, text: str) -> list[str]:
        """The words of a text that the model reads."""
        return shortened(words_of(text, STOP_WORDS if self.stop_words else frozenset()), self.batches.max_words)

    def probabilities(self, texts: list[str], device: torch.device | str = "cpu") -> NDArray[np.float32]:
        """The probability of each class for each text (texts, classes)."""
        share = self.baseline_share
        mixed = np.zeros((len(texts), len(self.classes)), np.float32)
        if share < 1:
            ids = [self.encode(text) for text in texts]
            mixed += (1 - share) * probabilities(self.model.eval().to(device), ids, device)
        if share > 0:
            mixed += share * self.baseline.probabilities(texts)
        return mixed

    def explain(self, text: str, number: int) -> list[tuple[str, float]]:
        """The words of a text with their contributions to the score of class `number`.

        Of a mixture, those of the network.
        """
        if self.baseline_share == 1:
            return self.baseline.contributions(text, number)
        weights = attributions(self.model.cpu(), self.encode(text), number)
        return list(zip(self.words(text) or [UNKNOWN], weights, strict=True))

    def numbers(self, labels: list[str], source: str, rows: list[int]) -> NDArray[np.int64]:
        """The class numbers of labels. Raises DataError naming the first row whose label the model does not have."""
        return class_numbers(self.classes, labels, source, rows)


def class_numbers(classes: Sequence[str], labels: Sequence[str], source: str, rows: Sequence[int]) -> NDArray[np.int64]:
    """The class numbers of labels. Raises DataError naming the first row whose label is none of the `classes`."""
    known = {name: number for number, name in enumerate(classes)}
    for label, row in zip(labels, rows, strict=True):
        if label not in known:
            raise DataError(f"{source} row {row}: the label '{label}' is not one of {', '.join(classes)}.")
    return np.array([known[label] for label in labels])


@dataclass
class Ensemble:
    """Classifiers of the same classes, of other seeds or settings; its probabilities are the mean of theirs."""

    members: list[Classifier]

    def __post_init__(self) -> None:
        if any(member.classes != self.classes for member in self.members):
            raise ConfigError("models that answer together must have the same classes.")

    @property
    def classes(self) -> list[str]:
        """The classes by number."""
        return self.members[0].classes

    @property
    def baseline(self) -> Baseline:
        """The first model's."""
        return self.members[0].baseline

    @property
    def description(self) -> str:
        """What its probabilities are of."""
        first = self.members[0].description
        return f"the mean of {len(self.members)} models" if len(self.members) > 1 else first

    def probabilities(self, texts: list[str], device: torch.device | str = "cpu") -> NDArray[np.float32]:
        """The probability of each class for each text (texts, classes)."""
        return np.asarray(np.mean([member.probabilities(texts, device) for member in self.members], axis=0))

    def explain(self, text: str, number: int) -> list[tuple[str, float]]:
        """The words of a text with their contributions to the score of class `number`, of the first model."""
        return self.members[0].explain(text, number)

    def numbers(self, labels: list[str], source: str, rows: list[int]) -> NDArray[np.int64]:
        """The class numbers of labels. Raises DataError naming the first row whose label the models do not have."""
        return self.members[0].numbers(labels, source, rows)


def save_classifier(folder: Path, classifier: Classifier) -> None:
    """Write the folder's files, each atomically, the configuration last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / "model.safetensors", classifier.model.state_dict())
    base = classifier.baseline
    arrays = {"idf": base.idf, "weights": base.weights, "bias": base.bias}
    write_tensors(folder / "baseline.safetensors", {name: torch.from_numpy(value) for name, value in arrays.items()})
    write_atomically(folder / "words.txt", _lines(classifier.vocabulary.words))
    write_atomically(folder / "terms.txt", _lines(base.terms))
    values: dict[str, Any] = {
        "model": to_dict(classifier.model.config), "batches": to_dict(classifier.batches),
        "classes": classifier.classes, "stop_words": classifier.stop_words, "baseline_share": classifier.baseline_share,
    }  # fmt: skip
    write_config(folder, TYPE, values)


def load_classifier(folder: Path) -> Classifier:
    """Read a folder. Raises CheckpointError if something is missing, damaged, or does not fit."""
    values = read_config(folder, TYPE)
    try:
        words, terms = ((folder / name).read_text("utf-8").split("\n")[:-1] for name in ("words.txt", "terms.txt"))
        vocabulary = Vocabulary(words)
        model = TextClassifier(from_dict(ClassifierConfig, values["model"]), len(words), len(values["classes"]))
        model.load_state_dict(read_tensors(folder / "model.safetensors"))
        base = {name: value.numpy() for name, value in read_tensors(folder / "baseline.safetensors").items()}
        batches = from_dict(BatchConfig, values["batches"])
        share = float(values.get("baseline_share", 0.0))  # folders of earlier versions lack it
    except (OSError, KeyError, ConfigError, RuntimeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder} cannot be loaded ({error}); train it again.") from None
    baseline = Baseline(terms, base["idf"], base["weights"], base["bias"])
    return Classifier(model.eval(), vocabulary, values["classes"], batches, values["stop_words"], baseline, share)


def load_ensemble(folders: Sequence[Path]) -> Ensemble:
    """Read the folders of models that answer together. Raises CheckpointError, and ConfigError for other classes."""
    return Ensemble([load_classifier(folder) for folder in folders])


def _lines(words: list[str]) -> bytes:
    return "".join(f"{word}\n" for word in words).encode()
