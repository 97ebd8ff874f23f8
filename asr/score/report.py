"""The errors of a system on a test set as values, and their rendering as text."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Any

from asr.errors import TextError
from asr.score.edit_distance import DELETE, EQUAL, INSERT, Alignment, Counts, align
from asr.score.statistics import Interval, PairedTest, bootstrap_interval, paired_test
from asr.score.text_files import Texts


@dataclass(frozen=True)
class SystemScore:
    """Errors of one system. `ids` are the ids of the reference, `alignments` the words aligned, in the same order."""

    ids: list[str]
    alignments: list[Alignment]
    words: Counts
    characters: Counts
    over_utterances: Interval | None
    over_speakers: Interval | None
    missing: list[str]  # ids without a hypothesis, scored as empty
    speakers: list[str] | None = None  # of each utterance; None unless all are known

    @property
    def sentence_errors(self) -> int:
        """Utterances with at least one error."""
        return sum(alignment.counts.errors > 0 for alignment in self.alignments)

    def worst(self, number: int) -> list[tuple[str, Alignment]]:
        """The utterances with the most errors."""
        pairs = zip(self.ids, self.alignments, strict=True)
        return sorted(pairs, key=lambda pair: -pair[1].counts.errors)[:number]

    def confusions(self, number: int) -> list[tuple[str, int]]:
        """The most frequent edits, as `reference -> hypothesis`."""
        edits = Counter(
            f"{edit.reference or '∅'} -> {edit.hypothesis or '∅'}"
            for alignment in self.alignments
            for edit in alignment.edits
            if edit.kind != EQUAL
        )
        return edits.most_common(number)


def score_system(reference: Texts, hypothesis: Texts) -> SystemScore:
    """The errors of hypotheses against references. An id without a hypothesis counts as an empty one.

    Utterances whose text is not known are left out. Raises TextError if a hypothesis belongs to no utterance.
    """
    extra = [name for name in hypothesis.texts if name not in reference.texts and name not in reference.unknown]
    if extra:
        raise TextError(
            f"{len(extra)} hypotheses have no reference, first '{extra[0]}'; are both files of the same set?"
        )
    ids = sorted(reference.texts)
    references = [_composed(reference.texts[name]) for name in ids]
    hypotheses = [_composed(hypothesis.texts.get(name, "")) for name in ids]
    alignments = align([text.split() for text in references], [text.split() for text in hypotheses])
    characters = align([list(text) for text in references], [list(text) for text in hypotheses])
    errors = [alignment.counts.errors for alignment in alignments]
    lengths = [alignment.counts.reference_length for alignment in alignments]
    speakers = [reference.speakers[name] for name in ids] if len(reference.speakers) == len(ids) else None
    return SystemScore(
        ids,
        alignments,
        sum((alignment.counts for alignment in alignments), Counts()),
        sum((alignment.counts for alignment in characters), Counts()),
        bootstrap_interval(errors, lengths),
        bootstrap_interval(errors, lengths, speakers) if speakers else None,
        [name for name in ids if name not in hypothesis.texts],
        speakers,
    )


def _composed(text: str) -> str:
    """A text whose letters and accents are single characters where Unicode has them: programs write either."""
    return unicodedata.normalize("NFC", text)


def compare(first: SystemScore, second: SystemScore) -> PairedTest:
    """The paired test of two systems on the same references, over speakers where they are known."""
    lengths = [alignment.counts.reference_length for alignment in first.alignments]
    errors = [[alignment.counts.errors for alignment in system.alignments] for system in (first, second)]
    return paired_test(errors[0], errors[1], lengths, first.speakers)


def to_json(score: SystemScore, worst: int = 5, alignments: bool = False) -> dict[str, Any]:
    """The figures of a system as plain values for JSON; rates are fractions, None where the references are empty.

    alignments: also each utterance with an error, as pairs of a word of the reference and one of the hypothesis, None
    where there is none.
    """

    def interval(value: Interval | None) -> list[float] | None:
        return None if value is None else [round(value.low, 6), round(value.high, 6)]

    def rate(counts: Counts) -> float | None:
        return round(counts.rate, 6) if math.isfinite(counts.rate) else None

    return {
        "wer": rate(score.words),
        "wer_interval_utterances": interval(score.over_utterances),
        "wer_interval_speakers": interval(score.over_speakers),
        "words": score.words.reference_length,
        "substitutions": score.words.substitutions,
        "deletions": score.words.deletions,
        "insertions": score.words.insertions,
        "cer": rate(score.characters),
        "utterances": len(score.ids),
        "sentence_errors": score.sentence_errors,
        "missing": score.missing,
        "worst": [{"id": name, "errors": alignment.counts.errors} for name, alignment in score.worst(worst)],
    } | ({"alignments": _aligned_words(score)} if alignments else {})


def _aligned_words(score: SystemScore) -> list[dict[str, Any]]:
    return [
        {"id": name, "words": [[edit.reference, edit.hypothesis] for edit in alignment.edits]}
        for name, alignment in zip(score.ids, score.alignments, strict=True)
        if alignment.counts.errors
    ]


def render(score: SystemScore, worst: int = 5) -> str:
    """The figures of a system as lines of text; worst: number of utterances and of edits to list."""
    words = score.words
    lines = [
        f"WER {words.rate:7.2%}  {words.errors} errors in {words.reference_length} words: "
        f"{words.substitutions} substituted, {words.deletions} deleted, {words.insertions} inserted",
        f"CER {score.characters.rate:7.2%}  {score.characters.errors} errors in "
        f"{score.characters.reference_length} characters",
        f"SER {score.sentence_errors / max(1, len(score.ids)):7.2%}  {score.sentence_errors} of "
        f"{len(score.ids)} utterances have an error",
    ]
    for name, interval in (("utterances", score.over_utterances), ("speakers", score.over_speakers)):
        if interval is not None:
            lines.append(f"95% interval of the WER over {name}: {interval.low:.2%} to {interval.high:.2%}")
    if worst:
        lines.append("worst utterances:")
        lines += [f"  {name}: {alignment.counts.errors} errors" for name, alignment in score.worst(worst)]
        lines.append("most frequent errors:")
        lines += [f"  {number:4d} {edit}" for edit, number in score.confusions(worst)]
    return "\n".join(lines)


def render_test(test: PairedTest, first: str, second: str) -> str:
    """The paired test as a sentence; first and second: the names of the systems."""
    over = "utterances" if test.speakers is None else f"{test.speakers} speakers"
    details = (
        f"(p = {test.p_value:.4f} over {over}; 95% interval of the difference {test.interval.low:+.2%} to "
        f"{test.interval.high:+.2%}; "
        f"{test.better} utterances better, {test.worse} worse)"
    )
    if not test.difference:
        return f"{second} makes as many errors as {first} {details}"
    verdict = "by more than chance" if test.p_value < 0.05 else "which may be chance"
    direction = "better" if test.difference < 0 else "worse"
    return f"{second} is {abs(test.difference):.2%} absolute {direction} than {first}, {verdict} {details}"


def render_alignment(name: str, alignment: Alignment) -> str:
    """A reference above its hypothesis, word by word; errors are in upper case, gaps are stars."""
    top, bottom = [], []
    for edit in alignment.edits:
        left = "*" * len(edit.hypothesis or "") if edit.kind == INSERT else edit.reference or ""
        right = "*" * len(edit.reference or "") if edit.kind == DELETE else edit.hypothesis or ""
        if edit.kind != EQUAL:
            left, right = left.upper(), right.upper()
        width = max(len(left), len(right))
        top.append(left.ljust(width))
        bottom.append(right.ljust(width))
    return f"{name}\n  ref {' '.join(top).rstrip()}\n  hyp {' '.join(bottom).rstrip()}"
