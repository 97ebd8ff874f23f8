"""The baseline of every classifier: logistic regression on tf-idf of words, pairs and triples of words.

Before the fit each term is scaled by how much more often it is in texts of one class than in the others (NB-SVM; Wang
and Manning 2012), so that the penalty shrinks telling terms less.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from asr.errors import DataError

MOST_FEATURES = 150_000
LONGEST_TERM = 3  # words
SETTINGS = ((LONGEST_TERM, True), (2, True), (2, False))  # words of the longest term, and whether relevance scales
MANY_TEXTS = 10_000  # from which on a term must be in `LEAST_TEXTS` of them
LEAST_TEXTS = 3
STRENGTH = 30.0  # of the fit: the inverse of the penalty
START = "⊢"  # before the first word of a text, so that pairs and triples tell how it begins
SIGNIFICANT = 0.05
BASELINE = "tf-idf"  # what a classifier is called that answers with the baseline alone
LEAST_PROBABILITY = 1e-6  # in the log loss
TOKEN = r"(?u)\w+(?:'\w+)?|[^\w\s]"


@dataclass
class Baseline:
    """A model of scikit-learn as plain arrays."""

    terms: list[str]
    idf: NDArray[np.float32]  # (terms,)
    weights: NDArray[np.float32]  # (classes, terms)
    bias: NDArray[np.float32]  # (classes,)

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        labels: NDArray[np.int64],
        classes: int,
        held: tuple[Sequence[str], NDArray[np.int64]] | None = None,
    ) -> Baseline:
        """A model fitted to texts and their class numbers; each of the `classes` must occur.

        held: other texts and their class numbers, which choose one of `SETTINGS` by the log loss. Without them the
        first is taken. Raises DataError if no text has a word.
        """
        from sklearn.feature_extraction.text import CountVectorizer

        least = LEAST_TEXTS if len(texts) >= MANY_TEXTS else 1
        counts, terms = _counted(CountVectorizer(**_options(), min_df=least), texts)
        if not _usable(terms, 1).any():  # no word stands in more than two texts
            counts, terms = _counted(CountVectorizer(**_options()), texts)
        if not _usable(terms, 1).any():
            raise DataError("no text has a word: there is nothing to tell the classes apart by.")
        if held is None or not held[0]:
            return cls._with(SETTINGS[0], counts, terms, labels, classes)
        models = [cls._with(setting, counts, terms, labels, classes) for setting in SETTINGS]
        return min(models, key=lambda model: log_loss(model.probabilities(held[0]), held[1]))

    @classmethod
    def _with(
        cls, setting: tuple[int, bool], counts: Any, terms: NDArray[Any], labels: NDArray[np.int64], classes: int
    ) -> Baseline:
        """A model of one of `SETTINGS`, fitted to the counts of terms in texts, a sparse matrix (texts, terms)."""
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.linear_model import LogisticRegression

        longest, scaled = setting
        relevance = _relevance(counts, labels, classes) if scaled else np.ones(len(terms))
        chosen = _most(np.where(_usable(terms, longest), relevance, -1.0) * np.asarray(counts.sum(axis=0)).ravel())
        transformer = TfidfTransformer(sublinear_tf=True)
        features = transformer.fit_transform(counts[:, chosen]) @ scipy.sparse.diags(relevance[chosen])
        model = LogisticRegression(C=STRENGTH, max_iter=400).fit(features, labels)
        weights, bias = model.coef_ * relevance[chosen], model.intercept_
        if classes == 2:  # one row stands for both
            weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        arrays = (np.asarray(part, np.float32) for part in (transformer.idf_, weights, bias))
        return cls(terms[chosen].tolist(), *arrays)

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

        Pairs and triples divide their contribution among their words; the sum is the score without its bias.
        """
        vectorizer = self._fitted()
        words = re.findall(TOKEN, text.lower())
        marked = [START, *words]
        places: dict[str, list[range]] = {}  # of the words of a term
        for first in range(len(marked)):
            for after in range(first + 1, min(first + LONGEST_TERM, len(marked)) + 1):
                places.setdefault(" ".join(marked[first:after]), []).append(range(max(first - 1, 0), after - 1))
        row = vectorizer.transform([text]).tocoo()
        totals = np.zeros(len(words))
        for column, value in zip(row.col.tolist(), row.data.tolist(), strict=True):
            term = self.terms[column]
            share = value * float(self.weights[number, column]) / len(places[term])
            for own in places[term]:
                totals[own] += share / len(own)
        return list(zip(words, totals.tolist(), strict=True))

    def _scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.asarray(self._fitted().transform(texts) @ self.weights.T.astype(np.float64) + self.bias)

    def _fitted(self) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vocabulary = {term: index for index, term in enumerate(self.terms)}
        vectorizer = TfidfVectorizer(**_options(), sublinear_tf=True, vocabulary=vocabulary)
        vectorizer.idf_ = self.idf.astype(np.float64)
        return vectorizer


def log_loss(chances: NDArray[np.float32], numbers: NDArray[np.int64]) -> float:
    """The mean negative logarithm of the chances (texts, classes) of the true classes."""
    return float(-np.log(np.maximum(chances[np.arange(len(numbers)), numbers], LEAST_PROBABILITY)).mean())


def compare_with_baseline(
    model: str, gain: float, p_value: float, baseline: str = "tf-idf + logistic regression"
) -> str:
    """A sentence on a gain in accuracy of `model` over the baseline, given the p value of its test."""
    if model == BASELINE:
        return "the model is tf-idf alone, the baseline itself: there is nothing to test"
    if gain > 0 and p_value < SIGNIFICANT:
        return f"{model} beats {baseline} by more than chance (p = {p_value:.4f})"
    how = "by more than chance" if gain > 0 else "at all"
    return f"{model} does not beat {baseline} {how} (p = {p_value:.4f})"


def _options() -> dict[str, Any]:
    """How texts become terms."""
    return {"ngram_range": (1, LONGEST_TERM), "token_pattern": TOKEN, "preprocessor": _marked}


def _marked(text: str) -> str:
    return f"{START} {text.lower()}"


def _counted(vectorizer: Any, texts: Sequence[str]) -> tuple[Any, NDArray[Any]]:
    """How often each term is in each text, a sparse matrix (texts, terms), and the terms."""
    return vectorizer.fit_transform(texts), vectorizer.get_feature_names_out()


def _usable(terms: NDArray[Any], longest: int) -> NDArray[np.bool_]:
    """Which terms have at most that many words, and at least one."""
    return np.array([term != START and term.count(" ") < longest for term in terms], bool)


def _relevance(counts: Any, labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """How telling each term is (terms,): the largest ratio, as a logarithm, of its shares in a class and in the others.

    counts: of terms in texts, a sparse matrix (texts, terms). Each term counts once more than it occurs.
    """
    present = (counts > 0).astype(np.float64)
    total = np.asarray(present.sum(axis=0)).ravel()
    ratios = []
    for number in range(classes):
        own = np.asarray(present[labels == number].sum(axis=0)).ravel()
        inside, outside = own + 1, total - own + 1
        ratios.append(np.abs(np.log(inside / inside.sum()) - np.log(outside / outside.sum())))
    return np.asarray(np.max(ratios, axis=0))


def _most(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The places of the largest values from 0 on, `MOST_FEATURES` at most, in order."""
    places = np.argsort(-values, kind="stable")[:MOST_FEATURES]
    return np.sort(places[values[places] >= 0])
