"""What a tagger has to beat: an n-gram model with the labels as events between words, and a classifier of contexts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.lm.ngram.counts import Corpus
from asr.lm.ngram.kneser_ney import estimate
from asr.lm.ngram.tables import NgramModel, build_tables
from asr.nlp.tagging.text import TaggedText

ORDER = 4
BEAM = 8  # histories kept for each word
EVENT = "<label-{}>"  # a word of the n-gram model; label 0 has none
MOST_WORDS = 20_000  # in the n-gram model's vocabulary
LINE = 40  # words that are counted together: a line of the n-gram's text
HASHED = 1 << 20  # features of the classifier
CONTEXT = (-2, -1, 0, 1, 2, 3)  # words around the one that is labelled


@dataclass
class HiddenEvents:
    """A hidden-event language model (Stolcke & Shriberg 1996): the likeliest labels between words, by beam search."""

    model: NgramModel
    labels: int

    @classmethod
    def fit(cls, text: TaggedText, column: str, labels: int) -> HiddenEvents:
        """A 4-gram with modified Kneser-Ney smoothing over the words and their labels."""
        counts = text.counts()
        known = {text.types[place] for place in np.argsort(-counts)[:MOST_WORDS].tolist()}
        allowed = [*sorted(known), *(EVENT.format(label) for label in range(1, labels))]
        return cls(build_tables(estimate(Corpus(_lines(text, column), allowed), ORDER)), labels)

    def predict(self, words: Sequence[str]) -> NDArray[np.int64]:
        """The label of each word (words,)."""
        score = self.model.tables.score
        unknown = self.model.unknown
        ids = [self.model.ids.get(word, unknown) for word in words]
        events = [self.model.ids.get(EVENT.format(label), -1) for label in range(self.labels)]
        beam: dict[tuple[int, ...], tuple[float, tuple[Any, ...]]] = {(self.model.begin,): (0.0, ())}
        for word in ids:
            grown: dict[tuple[int, ...], tuple[float, tuple[Any, ...]]] = {}
            for context, (total, trail) in beam.items():
                spoken = total + score(context, word)
                after = (word, *context)[: ORDER - 1]
                for label, event in enumerate(events):
                    if label and event < 0:
                        continue
                    value = spoken + (score(after, event) if label else 0.0)
                    history = (event, *after)[: ORDER - 1] if label else after
                    if history not in grown or grown[history][0] < value:
                        grown[history] = (value, (label, trail))
            best = sorted(grown.items(), key=lambda item: -item[1][0])[:BEAM]
            beam = dict(best)
        trail = max(beam.values(), key=lambda item: item[0])[1]
        found: list[int] = []
        while trail:
            found.append(trail[0])
            trail = trail[1]
        return np.array(found[::-1], np.int64)


def _lines(text: TaggedText, column: str) -> Iterator[str]:
    """The text with its labels as words, in lines that are cut anywhere: a label may be at any place of a line."""
    labels = text.labels[column]
    for start in range(0, len(text), LINE):
        line: list[str] = []
        for word, label in zip(
            text.words[start : start + LINE].tolist(), labels[start : start + LINE].tolist(), strict=True
        ):
            line.append(text.types[word])
            if label > 0:
                line.append(EVENT.format(label))
        yield " ".join(line)


@dataclass
class ContextClassifier:
    """A logistic regression on the words around each one, and on its pairs with its neighbours."""

    model: Any

    @classmethod
    def fit(cls, text: TaggedText, column: str, most: int = 1_000_000) -> ContextClassifier:
        """Fitted to the first `most` words by stochastic gradient descent."""
        from sklearn.linear_model import SGDClassifier

        words = [text.types[place] for place in text.words[:most].tolist()]
        labels = text.labels[column][:most]
        known = labels >= 0
        model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=5, tol=None, random_state=1)
        return cls(model.fit(_contexts(words)[np.flatnonzero(known)], labels[known]))

    def predict(self, words: Sequence[str]) -> NDArray[np.int64]:
        """The label of each word (words,)."""
        return np.asarray(self.model.predict(_contexts(words)), np.int64)


def _contexts(words: Sequence[str]) -> Any:
    """Hashed features (words, HASHED) of the contexts, sparse."""
    from sklearn.feature_extraction import FeatureHasher

    def features(place: int) -> list[str]:
        around = [words[place + step] if 0 <= place + step < len(words) else "" for step in CONTEXT]
        single = [f"{step}={word}" for step, word in zip(CONTEXT, around, strict=True)]
        here = -CONTEXT[0]
        pairs = [f"{step}&{around[here + step]} {around[here + step + 1]}" for step in (-1, 0, 1)]
        return single + pairs

    return FeatureHasher(HASHED, input_type="string").transform(features(place) for place in range(len(words)))
