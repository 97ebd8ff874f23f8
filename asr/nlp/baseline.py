"""The baseline of every classifier: logistic regression on tf-idf of words and pairs of words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_FEATURES = 60_000
SIGNIFICANT = 0.05
TOKEN = r"(?u)\w+(?:'\w+)?|[^\w\s]"


@dataclass
class Baseline:
    """A model of scikit-learn as plain arrays."""

    terms: list[str]
    idf: NDArray[np.float32]  # (terms,)
    weights: NDArray[np.float32]  # (classes, terms)
    bias: NDArray[np.float32]  # (classes,)

    @classmethod
    def fit(cls, texts: Sequence[str], labels: NDArray[np.int64], classes: int) -> Baseline:
        """A model fitted to texts and their class numbers; each of the `classes` must occur."""
        from sklearn.linear_model import LogisticRegression

        vectorizer = _vectorizer()
        features = vectorizer.fit_transform(texts)
        model = LogisticRegression(C=10.0, max_iter=400).fit(features, labels)
        weights, bias = model.coef_, model.intercept_
        if classes == 2:  # one row stands for both
            weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        terms = vectorizer.get_feature_names_out().tolist()
        return cls(terms, *(np.asarray(part, np.float32) for part in (vectorizer.idf_, weights, bias)))

    def predict(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """The most likely class number of each text (texts,)."""
        return np.asarray(self._scores(texts).argmax(axis=1))

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The probability of each class for each text (texts, classes)."""
        scores = self._scores(texts)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)

    def contributions(self, text: str, number: int) -> list[tuple[str, float]]:
        """The words of a text, lower-case and in order, each with its contribution to the score of class `number`.

        A pair of words gives half of its contribution to each; the sum is the score without its bias.
        """
        vectorizer = self._fitted()
        words = re.findall(TOKEN, text.lower())
        places: dict[str, list[int]] = {}
        for place, word in enumerate(words):
            places.setdefault(word, []).append(place)
            if place:
                places.setdefault(f"{words[place - 1]} {word}", []).append(place)
        row = vectorizer.transform([text]).tocoo()
        totals = np.zeros(len(words))
        for column, value in zip(row.col.tolist(), row.data.tolist(), strict=True):
            term = self.terms[column]
            share = value * float(self.weights[number, column]) / len(places[term])
            for place in places[term]:
                parts = [place - 1, place] if " " in term else [place]
                totals[parts] += share / len(parts)
        return list(zip(words, totals.tolist(), strict=True))

    def _scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.asarray(self._fitted().transform(texts) @ self.weights.T.astype(np.float64) + self.bias)

    def _fitted(self) -> Any:
        vectorizer = _vectorizer(vocabulary={term: index for index, term in enumerate(self.terms)})
        vectorizer.idf_ = self.idf.astype(np.float64)
        return vectorizer


def compare_with_baseline(model: str, gain: float, p_value: float) -> str:
    """A sentence on a gain in accuracy of `model` over the baseline, given the p value of its test."""
    baseline = "tf-idf + logistic regression"
    if gain > 0 and p_value < SIGNIFICANT:
        return f"{model} beats {baseline} by more than chance (p = {p_value:.4f})"
    how = "by more than chance" if gain > 0 else "at all"
    return f"{model} does not beat {baseline} {how} (p = {p_value:.4f})"


def _vectorizer(**options: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    if "vocabulary" not in options:
        options["max_features"] = MOST_FEATURES
    return TfidfVectorizer(ngram_range=(1, 2), token_pattern=TOKEN, sublinear_tf=True, **options)
