"""Punctuation marks and capitals for the words of a recogniser."""

from __future__ import annotations

from collections.abc import Sequence

from asr.nlp.tagging.prose import CASES, shown
from asr.nlp.tagging.tagger import Tagger

MARK, CASE = "mark", "case"  # the columns of a tagger of marks
SENTENCE_ENDS = (".", "?", "!")


def sets_marks(tagger: Tagger) -> bool:
    """Whether a tagger has the columns of marks and case."""
    return set(tagger.config.outputs) == {MARK, CASE} and tuple(tagger.config.outputs[CASE]) == CASES


def marked(tagger: Tagger, words: Sequence[str], pauses: Sequence[float] | None = None) -> list[str]:
    """Each word with its capitals and the mark after it.

    words: in lower case, in the order they are spoken; pauses: seconds of silence after each, NaN where not known. The
    first word, those after a full stop, and "I" begin with a capital whatever the tagger says.
    """
    labels = tagger.tag(words, pauses)
    found: list[str] = []
    begins = True
    for word, mark, case in zip(words, labels[MARK], labels[CASE], strict=True):
        number = CASES.index(case)
        if number == 0 and (begins or word == "i" or word.startswith("i'")):
            number = 1
        found.append(shown(word, number) + mark)
        begins = mark == "."
    return found
