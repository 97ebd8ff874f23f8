"""What does not fit between references, lexicon and language model, found before anything is decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from asr.errors import TextError
from asr.lm.ngram.tables import NgramModel

MIN_SHARE = 0.5  # fewer known words mean another case or language
NAMED = 5


def check_vocabulary(words: Sequence[str], lm: NgramModel, known: int) -> None:
    """Raise TextError if a language model knows hardly any of a lexicon's words, with the likely reason.

    known: how many of the words it knows.
    """
    if known >= MIN_SHARE * len(words):
        return
    for change, fix in ((str.lower, "lower"), (str.upper, "upper")):
        if sum(change(word) in lm.words for word in words) >= MIN_SHARE * len(words):
            raise TextError(
                f"the language model {lm.source} is in {fix} case and the lexicon is not; "
                f"write the lexicon's words in {fix} case, or estimate the model on text in the lexicon's case."
            )
    raise TextError(
        f"the language model {lm.source} knows {known} of the lexicon's {len(words)} words; is it of another language?"
    )


def reference_findings(texts: Iterable[str], lexicon: Collection[str], lm: Collection[str] | None) -> list[str]:
    """Sentences on reference words that cannot be recognised or that the language model takes for unknown.

    Raises TextError where hardly any reference word is in the lexicon, with the likely reason.
    """
    counts = Counter(word for text in texts for word in text.split())
    total = counts.total()
    if not total:
        return []
    outside = {word: count for word, count in counts.items() if word not in lexicon}
    if sum(outside.values()) > (1 - MIN_SHARE) * total:
        for change, case in ((str.lower, "lower"), (str.upper, "upper")):
            if sum(count for word, count in counts.items() if change(word) in lexicon) > MIN_SHARE * total:
                raise TextError(f"the lexicon is in {case} case and the references are not; write both in one case.")
        raise TextError(f"{_share(outside, total)} are not in the lexicon{_first(outside)}; is it of another language?")
    findings = []
    if outside:
        findings.append(
            f"{_share(outside, total)} are not in the lexicon and cannot be recognised{_first(outside)}; "
            "add them to the lexicon"
        )
    strange = {word: count for word, count in counts.items() if lm is not None and word in lexicon and word not in lm}
    if strange:
        findings.append(
            f"{_share(strange, total)} are unknown to the language model{_first(strange)}; "
            "estimate it with the lexicon's words as vocabulary"
        )
    return findings


def _share(words: dict[str, int], total: int) -> str:
    return f"{sum(words.values()) / total:.2%} of the reference words"


def _first(words: dict[str, int]) -> str:
    often = sorted(words, key=lambda word: (-words[word], word))[:NAMED]
    return f" (most often {', '.join(often)})"
