"""Alignment of hypotheses with references: jiwer counts, these types carry its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jiwer

EQUAL, SUBSTITUTE, DELETE, INSERT = "equal", "substitute", "delete", "insert"


@dataclass(frozen=True)
class Counts:
    """Edits between references and hypotheses, in words, characters or tokens."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Errors per reference unit; where the reference is empty 0 if nothing was inserted, else infinite."""
        if self.reference_length:
            return self.errors / self.reference_length
        return float("inf") if self.errors else 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


@dataclass(frozen=True)
class Edit:
    """One place of an alignment; `reference` is None for an insertion, `hypothesis` for a deletion."""

    kind: str
    reference: str | None
    hypothesis: str | None


@dataclass(frozen=True)
class Alignment:
    """One hypothesis against its reference: the edits in order and their counts."""

    edits: tuple[Edit, ...]

    @property
    def counts(self) -> Counts:
        kinds = [edit.kind for edit in self.edits]
        return Counts(*(kinds.count(kind) for kind in (EQUAL, SUBSTITUTE, DELETE, INSERT)))


def align(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> list[Alignment]:
    """Align sequences of units (words, characters, token names without spaces) with least edits, by jiwer.

    An empty reference is legal: every unit of its hypothesis is an insertion.
    """
    result: list[Alignment] = []
    alignments = iter(_jiwer_chunks(references, hypotheses))
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        edits: list[Edit] = []
        if not reference:
            edits = [Edit(INSERT, None, unit) for unit in hypothesis]
        else:
            for chunk in next(alignments):
                for left, right in _places(chunk):
                    edits.append(
                        Edit(
                            chunk.type,
                            None if left is None else reference[left],
                            None if right is None else hypothesis[right],
                        )
                    )
        result.append(Alignment(tuple(edits)))
    return result


def count(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> Counts:
    """Total counts over all pairs."""
    return sum((alignment.counts for alignment in align(references, hypotheses)), Counts())


def _jiwer_chunks(
    references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]
) -> list[list[jiwer.AlignmentChunk]]:
    pairs = [(left, right) for left, right in zip(references, hypotheses, strict=True) if left]
    if not pairs:
        return []
    keep = jiwer.Compose([])  # units come ready made: nothing may be stripped or split
    lefts: Any = [list(left) for left, _ in pairs]
    rights: Any = [list(right) for _, right in pairs]
    return jiwer.process_words(lefts, rights, reference_transform=keep, hypothesis_transform=keep).alignments


def _places(chunk: jiwer.AlignmentChunk) -> list[tuple[int | None, int | None]]:
    left = range(chunk.ref_start_idx, chunk.ref_end_idx)
    right = range(chunk.hyp_start_idx, chunk.hyp_end_idx)
    if chunk.type == DELETE:
        return [(place, None) for place in left]
    if chunk.type == INSERT:
        return [(None, place) for place in right]
    return list(zip(left, right, strict=True))
