"""Alignments of hypotheses with references and their edit counts, computed by jiwer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jiwer

EQUAL, SUBSTITUTE, DELETE, INSERT = "equal", "substitute", "delete", "insert"


@dataclass(frozen=True)
class Counts:
    """Numbers of edits between references and hypotheses, in words, characters or tokens."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Units of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Errors per reference unit. For an empty reference: 0 without insertions, else infinite."""
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
    """One step of an alignment; `reference` is None for an insertion, `hypothesis` for a deletion."""

    kind: str
    reference: str | None
    hypothesis: str | None


@dataclass(frozen=True)
class Alignment:
    """The edits that turn a reference into its hypothesis, in order."""

    edits: tuple[Edit, ...]

    @property
    def counts(self) -> Counts:
        """The number of edits of each kind."""
        kinds = [edit.kind for edit in self.edits]
        return Counts(*(kinds.count(kind) for kind in (EQUAL, SUBSTITUTE, DELETE, INSERT)))


def align(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> list[Alignment]:
    """Alignments with the fewest edits of sequences of units: words, characters, or token names without spaces.

    An empty reference is allowed: every unit of its hypothesis is an insertion.
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
    """Edit counts over all pairs of a reference and a hypothesis."""
    return sum((alignment.counts for alignment in align(references, hypotheses)), Counts())


def _jiwer_chunks(
    references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]
) -> list[list[jiwer.AlignmentChunk]]:
    """The alignment chunks of each pair whose reference is not empty."""
    import jiwer

    pairs = [(left, right) for left, right in zip(references, hypotheses, strict=True) if left]
    if not pairs:
        return []
    keep = jiwer.Compose([])  # the units are final: nothing may be stripped or split
    lefts: Any = [list(left) for left, _ in pairs]
    rights: Any = [list(right) for _, right in pairs]
    chunks: list[list[jiwer.AlignmentChunk]] = jiwer.process_words(
        lefts, rights, reference_transform=keep, hypothesis_transform=keep
    ).alignments
    return chunks


def _places(chunk: jiwer.AlignmentChunk) -> list[tuple[int | None, int | None]]:
    """Positions in the reference and the hypothesis of each edit of a chunk."""
    left = range(chunk.ref_start_idx, chunk.ref_end_idx)
    right = range(chunk.hyp_start_idx, chunk.hyp_end_idx)
    if chunk.type == DELETE:
        return [(place, None) for place in left]
    if chunk.type == INSERT:
        return [(None, place) for place in right]
    return list(zip(left, right, strict=True))
