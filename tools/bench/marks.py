"""Marks and capitals on recognised speech: python tools/bench/marks.py MANIFEST TRANSCRIPTS [--model DIR] [--skip N]

MANIFEST is of utterances whose `text` is printed, with marks; TRANSCRIPTS has for each an object with `id` and
`words` as `asr transcribe --raw --format json` writes them. Prints F1 of marks and accuracy of case three times: on the
words of the reference, on the recognised words without pauses, and with them. A recognised word has the mark and the
case of the reference word that it is aligned with; reference words that were not recognised count as missed.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import json
import math
from pathlib import Path

import numpy as np

from asr.nlp.tagging.marks import CASE, MARK
from asr.nlp.tagging.prose import CASES, MARKS, marked_words
from asr.nlp.tagging.tagger import Tagger
from asr.score.tags import accuracy, label_score
from asr.shipped import TAGGER_NAME, tagger_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("transcripts", type=Path)
    parser.add_argument("--model", default=TAGGER_NAME)
    parser.add_argument(
        "--skip", type=int, default=0, help="utterances at the beginning, from which pauses were learned"
    )
    options = parser.parse_args()
    tagger = Tagger.open(tagger_folder(options.model))
    texts = [json.loads(line) for line in options.manifest.read_text().splitlines()][options.skip :]
    spoken = {row["id"]: row["words"] for row in map(json.loads, options.transcripts.read_text().splitlines())}
    for title, recognised, pauses in (
        ("words of the reference", False, False), ("recognised words", True, False), ("with pauses", True, True)
    ):  # fmt: skip
        actual: dict[str, list[int]] = {MARK: [], CASE: []}
        found: dict[str, list[int]] = {MARK: [], CASE: []}
        for row in texts:
            reference = marked_words(row["text"])
            said = spoken[row["id"]]
            words = [word["word"] for word in said] if recognised else [word.word for word in reference]
            gaps = [b["start"] - a["end"] for a, b in itertools.pairwise(said)] + [math.nan]
            labels = tagger.tag(words, gaps if pauses else None)
            place = _aligned([word.word for word in reference], words)
            for index, word in enumerate(reference):
                actual[MARK].append(word.mark)
                actual[CASE].append(word.case)
                at = place.get(index)
                found[MARK].append(MARKS.index(labels[MARK][at]) if at is not None else 0)
                found[CASE].append(CASES.index(labels[CASE][at]) if at is not None else -2)
        marks, cases = (np.array(actual[name]) for name in (MARK, CASE))
        own_marks, own_cases = (np.array(found[name]) for name in (MARK, CASE))
        rows = [label_score(marks, own_marks, label) for label in range(1, len(MARKS))]
        scores = ", ".join(f"{mark} {row.f1:.1%} of {row.count}" for mark, row in zip(MARKS[1:], rows, strict=True))
        print(f"{title}: F1 {scores}; case {accuracy(cases, own_cases):.2%}")


def _aligned(reference: list[str], words: list[str]) -> dict[int, int]:
    """The place among the words of each reference word that is there, or has another in its stead."""
    places: dict[int, int] = {}
    for kind, first, last, begin, end in difflib.SequenceMatcher(None, reference, words, autojunk=False).get_opcodes():
        if kind in ("equal", "replace"):
            places |= dict(zip(range(first, last), range(begin, end), strict=False))
    return places


if __name__ == "__main__":
    main()
