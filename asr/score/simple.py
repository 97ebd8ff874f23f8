"""Error rates of plain strings, and a paired test between two systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from asr.errors import TextError
from asr.score.edit_distance import Counts, align, count
from asr.score.statistics import PairedTest, paired_test

Texts = str | Sequence[str]


def wer(reference: Texts, hypothesis: Texts) -> float:
    """The word error rate: substituted, deleted and inserted words by the number of reference words.

    reference, hypothesis: a text, or texts in the same order; words are separated by white space, and nothing is
    normalised. Equal to `jiwer.wer` where that is spaces: empty references are legal, and without any reference word
    the result is the number of inserted words. Raises TextError where the numbers of texts differ, and for what are no
    lists of texts.
    """
    references, hypotheses = _paired(reference, hypothesis)
    return _rate(count([text.split() for text in references], [text.split() for text in hypotheses]))


def cer(reference: Texts, hypothesis: Texts) -> float:
    """The character error rate, spaces between words included: as `wer`, and equal to `jiwer.cer`."""
    references, hypotheses = _paired(reference, hypothesis)
    return _rate(count([list(text.strip()) for text in references], [list(text.strip()) for text in hypotheses]))


def compare(
    reference: Sequence[str], first: Sequence[str], second: Sequence[str], speakers: Sequence[str] | None = None
) -> PairedTest:
    """Whether a second system's word error rate differs from the first's by more than chance.

    reference, first, second: texts of the same utterances in the same order. The result has the difference of the rates
    (negative: the second is better) with its 95% bootstrap interval, the two-sided p-value of a permutation test, and
    in how many utterances either is better. speakers: who speaks each utterance; of six or more, interval and p-value
    are over speakers, whose utterances are not independent. Raises TextError where the numbers of texts or speakers
    differ or there are none.
    """
    if isinstance(reference, str) or isinstance(first, str) or isinstance(second, str):
        raise TextError("a paired test needs the texts of many utterances: give lists.")
    if not len(reference):
        raise TextError("there is no utterance to compare the systems on.")
    if speakers is not None:
        if any(speaker is None or speaker != speaker for speaker in speakers):
            raise TextError("a speaker is not known; give a name for each utterance, or no `speakers`.")
        speakers = [str(speaker) for speaker in speakers]
        if len(speakers) != len(reference):
            raise TextError(f"{len(reference)} references and {len(speakers)} speakers; give as many of each.")
    errors = []
    for texts in (first, second):
        _, hypotheses = _paired(reference, texts)
        errors.append(align([text.split() for text in reference], [text.split() for text in hypotheses]))
    lengths = [alignment.counts.reference_length for alignment in errors[0]]
    first_errors, second_errors = ([alignment.counts.errors for alignment in system] for system in errors)
    return paired_test(first_errors, second_errors, lengths, speakers)


def _rate(counts: Counts) -> float:
    return counts.rate if counts.reference_length else float(counts.errors)


def _paired(reference: Texts, hypothesis: Texts) -> tuple[Sequence[str], Sequence[str]]:
    references, hypotheses = _listed(reference), _listed(hypothesis)
    if len(references) != len(hypotheses):
        raise TextError(f"{len(references)} references and {len(hypotheses)} hypotheses; give as many of each.")
    return references, hypotheses


def _listed(texts: Texts) -> list[str]:
    """The texts as a list. Raises TextError for what has no order, and for what is no text."""
    if isinstance(texts, Mapping | Set):
        raise TextError("texts by name cannot be paired; give two lists of texts in the same order.")
    listed = [texts] if isinstance(texts, str) else list(texts)
    for text in listed:
        if not isinstance(text, str):
            raise TextError(f"{text!r} is not a text; give strings, and an empty one for no words.")
    return listed
