"""Figures of a tagger on labelled text, beside baselines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.nlp.tagging.baselines import ContextClassifier, HiddenEvents
from asr.nlp.tagging.tagger import Tagger
from asr.nlp.tagging.text import TaggedText
from asr.score.tags import accuracy, label_score, paired_f1

Labels = dict[str, NDArray[np.int64]]


def evaluate_tagger(tagger: Tagger, text: TaggedText, fitted: TaggedText | None = None) -> dict[str, Any]:
    """Accuracy of each column, and precision, recall and F1 of its labels.

    fitted: text that the baselines are fitted to; each label then has their F1 and the paired test's p-value.
    """
    words = [text.types[place] for place in text.words.tolist()]
    predicted = _numbers(tagger, words)
    others: dict[str, Labels] = {}
    if fitted is not None:
        others = {"4-gram": {}, "logistic": {}}
        for name, labels in tagger.config.outputs.items():
            others["4-gram"][name] = HiddenEvents.fit(fitted, name, len(labels)).predict(words)
            others["logistic"][name] = ContextClassifier.fit(fitted, name).predict(words)
    rows: dict[str, Any] = {}
    for name, labels in tagger.config.outputs.items():
        actual = text.labels[name].astype(np.int64)
        scores: dict[str, Any] = {}
        for number, label in enumerate(labels):
            score = label_score(actual, predicted[name], number)
            scores[label] = {
                "precision": score.precision, "recall": score.recall, "f1": score.f1, "count": score.count,
            }  # fmt: skip
            if others:
                scores[label]["baselines"] = {
                    other: _against(actual, found[name], predicted[name], number) for other, found in others.items()
                }
        rows[name] = {"accuracy": accuracy(actual, predicted[name]), "labels": scores}
        if others:
            rows[name]["baseline_accuracy"] = {o: accuracy(actual, found[name]) for o, found in others.items()}
    return rows


def _numbers(tagger: Tagger, words: list[str]) -> Labels:
    found = tagger.scores(words)
    return {name: (found[name] + tagger.offsets[name]).argmax(axis=1) for name in found}


def _against(
    actual: NDArray[np.int64], theirs: NDArray[np.int64], ours: NDArray[np.int64], label: int
) -> dict[str, float]:
    difference, p_value = paired_f1(actual, theirs, ours, label)
    return {"f1": label_score(actual, theirs, label).f1, "difference": difference, "p_value": p_value}
