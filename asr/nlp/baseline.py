"""The baseline of every classifier: logistic regression on tf-idf of words and pairs of words."""

from __future__ import annotations

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
        vectorizer = _vectorizer(vocabulary={term: index for index, term in enumerate(self.terms)})
        vectorizer.idf_ = self.idf.astype(np.float64)
        scores = vectorizer.transform(texts) @ self.weights.T.astype(np.float64) + self.bias
        return np.asarray(scores.argmax(axis=1))


def compare_with_baseline(gain: float, p_value: float) -> str:
    """A sentence on a gain in accuracy over the baseline, given the p value of its test."""
    baseline = "tf-idf + logistic regression"
    if gain > 0 and p_value < SIGNIFICANT:
        return f"the LSTM beats {baseline} by more than chance (p = {p_value:.4f})"
    how = "by more than chance" if gain > 0 else "at all"
    return f"the LSTM does not beat {baseline} {how} (p = {p_value:.4f})"


def _vectorizer(**options: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    if "vocabulary" not in options:
        options["max_features"] = MOST_FEATURES
    return TfidfVectorizer(ngram_range=(1, 2), token_pattern=TOKEN, sublinear_tf=True, **options)
