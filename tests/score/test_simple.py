"""`asr.wer`, `asr.cer` and `asr.compare` against jiwer and against counting by hand."""

from __future__ import annotations

import math

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import TextError
from asr.score.report import compare as compare_systems
from asr.score.report import score_system
from asr.score.simple import cer, compare, wer
from asr.score.text_files import Texts

TEXT = st.text("ab ", max_size=12)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_rates_equal_jiwer_s(pairs):
    references, hypotheses = map(list, zip(*pairs, strict=True))
    assert wer(references, hypotheses) == pytest.approx(jiwer.wer(references, hypotheses))
    assert cer(references, hypotheses) == pytest.approx(jiwer.cer(references, hypotheses))


def test_one_text_or_many():
    assert wer("a b c d", "a x c") == 0.5
    assert wer(["a b", "c d"], ["a x", "c"]) == 0.5
    assert cer("abcd", "abd") == 0.25
    assert wer(("a b",), ["a b"]) == 0.0


def test_empty_references_are_legal():
    assert wer(["", "a b"], ["x", "a b"]) == 0.5
    assert wer("", "") == 0.0
    assert wer("", "x y") == 2.0  # insertions, as jiwer counts them


def test_numbers_of_texts_must_agree():
    for reference, hypothesis in ((["a"], ["a", "b"]), ("a", []), ([], "a")):
        with pytest.raises(TextError, match="give as many"):
            wer(reference, hypothesis)
    for arguments in (("a", ["a"], ["a"]), ([], [], []), (["a"], ["a"], ["a", "b"])):
        with pytest.raises(TextError):
            compare(*arguments)


def test_what_are_no_lists_of_texts_is_refused():
    for texts in ({"u": "a"}, {"a"}):  # the keys of a mapping were compared
        with pytest.raises(TextError, match="in the same order"):
            wer(texts, ["b"])
    with pytest.raises(TextError, match="None is not a text"):
        cer(["a"], [None])


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_speakers_are_all_known(unknown):
    texts = ["a b"] * 7
    with pytest.raises(TextError, match="a speaker is not known"):
        compare(texts, texts, texts, speakers=[*"abcdef", unknown])
    assert compare(texts, texts, texts, speakers="abcdefg").speakers == 7


def test_the_paired_test_is_that_of_asr_score():
    reference = ["the old man walked", "", "he had never seen it", "good night"] * 8
    first = ["the old man walk", "", "he never seen it", "good knight"] * 8
    second = ["the old man walked", "oh", "he had never seen it", "good night"] * 8
    test = compare(reference, first, second)
    systems = [
        score_system(
            *(Texts({f"{place:03d}": text for place, text in enumerate(texts)}) for texts in (reference, other))
        )
        for other in (first, second)
    ]
    assert test == compare_systems(*systems)
    assert (test.better, test.worse) == (24, 8)
    assert test.difference == pytest.approx((8 - 24) / (11 * 8))
    assert test.p_value < 0.05
