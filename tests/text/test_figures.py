"""Spoken numbers as people write them, and the way back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asr.text.figures import figures, titles
from asr.text.normalize import normalize_english


def written(spoken: str, **known: list[bool]) -> str:
    words = spoken.split()
    shown = (word if text is None else text for word, text in zip(words, figures(words, **known), strict=True))
    return " ".join(text for text in shown if text)


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        ("twenty five percent of them", "25% of them"),
        ("zero point five per cent", "0.5%"),
        ("in nineteen eighty four", "in 1984"),
        ("nineteen oh five", "1905"),
        ("in nineteen hundred", "in 1900"),
        ("twenty twenty four", "2024"),
        ("in two thousand and five", "in 2005"),
        ("the nineteen eighties", "the 1980s"),
        ("two thousand men", "2,000 men"),
        ("one thousand four hundred and fifty five", "1,455"),
        ("two hundred and three thousand", "203,000"),
        ("a hundred and fifty men and two dogs", "150 men and two dogs"),
        ("five million people", "5 million people"),
        ("three dollars and fifty cents", "$3.50"),
        ("one point five million dollars", "$1.5 million"),
        ("ten thousand five hundred pounds", "10,500 pounds"),
        ("the twenty first of may", "the 21st of may"),
        ("the second of june", "the 2nd of june"),
        ("may fifth nineteen eighty four", "may 5th 1984"),
        ("the nineteenth century", "the 19th century"),
        ("at five thirty", "at 5:30"),
        ("five thirty p m", "5:30 p.m."),
        ("seven oh five a m", "7:05 a.m."),
        ("five o'clock", "5 o'clock"),
        ("call five five five oh one two three", "call 555-0123"),
        ("double oh seven", "007"),
        ("three point one four one", "3.141"),
    ],
)
def test_numbers_are_written_as_people_write_them(spoken, expected):
    assert written(spoken) == expected


@pytest.mark.parametrize(
    "spoken",
    [
        "one of the two", "a hundred men", "one two three", "nine eleven", "six seven", "the second day", "one second",
        "and so on", "he won two to one", "a thousand times", "no one", "oh no", "hundred", "point", "percent",
        "twenty thirty forty fifty",
    ],
)  # fmt: skip
def test_small_numbers_and_what_may_be_several_stay_words(spoken):
    assert written(spoken) == spoken


def test_a_number_ends_with_the_sentence_and_does_not_begin_one():
    words = ["there", "were", "twenty", "five", "went", "away"]
    assert written(" ".join(words)) == "there were 25 went away"
    breaks = [word == "twenty" for word in words]
    assert written(" ".join(words), breaks=breaks) == "there were 20 five went away"
    begins = [place == 0 for place in range(3)]
    assert written("twenty five men", begins=begins) == "twenty five men"
    assert written("nineteen eighty four", begins=begins) == "1984"


def test_titles_are_shortened_before_names_alone():
    shown = ["Then", "Mister", "King", "met", "the", "doctor", "and", "Missus,", "King"]
    assert titles([word.lower().strip(",") for word in shown], shown) == [
        None, "Mr.", None, None, None, None, None, None, None,
    ]  # fmt: skip


def round_trip(text: str) -> str:
    return written(normalize_english(text))


@settings(max_examples=150, deadline=None)
@given(st.integers(10, 10**9))
def test_whole_numbers_come_back(number):
    expected = f"{number:,}"
    if number >= 10**6 and number % 10**6 == 0:
        expected = f"{number // 10**6} million" if number < 10**9 else "1 billion"
    assert round_trip(f"{number:,} men") == f"{expected} men"


@settings(max_examples=80, deadline=None)
@given(st.integers(1100, 2099), st.sampled_from(["in", "since", "of", "may"]))
def test_years_come_back(year, before):
    assert round_trip(f"{before} {year} they") == f"{before} {year} they"


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 999_999), st.integers(0, 99))
def test_money_and_percent_come_back(whole, part):
    assert round_trip(f"for ${whole:,}.{part:02d} each" if part else f"for ${whole:,} each") == (
        f"for ${whole:,}.{part:02d} each" if part else f"for ${whole:,} each"
    )
    assert round_trip(f"about {whole:,}.{part}%") == f"about {whole:,}.{part}%"


@settings(max_examples=60, deadline=None)
@given(st.integers(10, 99_999))
@example(1_100)
@example(20_900)
@example(12_000)
def test_ordinals_come_back(number):
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    assert round_trip(f"the {number:,}{suffix} time") == f"the {number:,}{suffix} time"


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(10, 59), st.sampled_from(["a.m.", "p.m."]))
def test_times_come_back(hour, minute, half):
    assert round_trip(f"at {hour}:{minute} {half}") == f"at {hour}:{minute} {half}"


@given(st.from_regex(r"\A([2-9][0-9]{2}-)?[2-9][0-9]{2}-[0-9]{4}\Z"))
def test_telephone_numbers_come_back(number):
    assert round_trip(f"call {number} now") == f"call {number} now"


NUMERALS = (
    "one two ten twenty five hundred thousand million and a point oh percent dollars cents first fifth may of p m at"
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(NUMERALS.split()), max_size=12))
def test_no_word_is_lost_whatever_is_said(words):
    """Each word is shown by itself or by the one that a run of empty ones follows."""
    found = figures(words)
    assert len(found) == len(words)
    assert not found or found[0] != ""
    for before, after in itertools.pairwise(found):
        assert not (after == "" and before is None)
