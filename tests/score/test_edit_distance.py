from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr.score.edit_distance import Counts, align, count

WORDS = st.lists(st.sampled_from("abcd"), max_size=7)


def _levenshtein(left: list[str], right: list[str]) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


@given(WORDS, WORDS)
def test_alignments_have_the_least_number_of_edits_and_rebuild_both_sides(reference, hypothesis):
    alignment = align([reference], [hypothesis])[0]
    assert alignment.counts.errors == _levenshtein(reference, hypothesis)
    assert [edit.reference for edit in alignment.edits if edit.reference is not None] == reference
    assert [edit.hypothesis for edit in alignment.edits if edit.hypothesis is not None] == hypothesis


def test_an_empty_reference_counts_its_hypothesis_as_insertions():
    counts = count([[], ["a"]], [["x", "y"], ["a"]])
    assert counts == Counts(hits=1, insertions=2)
    assert counts.rate == 2.0
    assert count([[]], [[]]).rate == 0.0
    assert count([[]], [["x"]]).rate == float("inf")
