from __future__ import annotations

import pytest

from asr.decode.preflight import reference_findings
from asr.errors import TextError

LEXICON = {"the", "cat", "sat", "mat"}


def test_nothing_is_found_where_all_fits():
    assert reference_findings(["the cat sat"], LEXICON, LEXICON) == []
    assert reference_findings([""], LEXICON, None) == []


def test_words_outside_lexicon_and_model_are_counted_and_named():
    found = reference_findings(["the cat sat", "the dog sat on"], LEXICON, {"the", "sat"})
    assert found[0].startswith("28.57% of the reference words are not in the lexicon")
    assert "dog, on" in found[0]
    assert found[0].endswith(
        "add them to the lexicon"
    )  # advice that can be followed: there is no option for unknown words
    assert found[1].startswith("14.29% of the reference words are unknown to the language model")
    assert "cat" in found[1]


def test_another_case_and_another_language_are_told_apart():
    with pytest.raises(TextError, match="the lexicon is in lower case"):
        reference_findings(["THE CAT SAT"], LEXICON, None)
    with pytest.raises(TextError, match="another language"):
        reference_findings(["die katze sass"], LEXICON, None)
