from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.text.normalize import lost_letters, normalize_english, printed_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HE'S THERE", "he's there"),
        ("'TIS THE DOGS' HOUSE", "tis the dogs' house"),  # as LibriSpeech writes it
        ("in being comparatively modern.", "in being comparatively modern"),
        ("Printing, in 1455, began", "printing in fourteen fifty five began"),
        ("It cost $3.50 & Mr. O’Neil's", "it cost three dollars and fifty cents and mister o'neil's"),
        ("the 2nd of 1,234 books", "the second of one thousand two hundred thirty four books"),
        ("3.14%", "three point one four percent"),
        ("the 1920s", "the nineteen twenties"),
        ("“Quoted ‘words’ here,” he said", "quoted words here he said"),
        ("Mr Hyde, Mrs Hyde", "mister hyde missus hyde"),
        ("naïve café 😀", "naive cafe"),
        ("Encyclopædia, Œuvre, Straße, Søren, Łódź", "encyclopaedia oeuvre strasse soren lodz"),
        ("twenty-one", "twenty one"),
        ("123", "one hundred twenty three"),
        ("$123", "one hundred twenty three dollars"),
        ("$1455", "one thousand four hundred fifty five dollars"),  # an amount is not a year
        ("the 123rd", "the one hundred twenty third"),
        ("£1,000,000.05", "one million pounds and five cents"),
        ("he said 'hello there'", "he said hello there"),
        ("he said 'hello there'.", "he said hello there"),
        ("'Tis the dogs' house.", "tis the dogs' house"),
        ("the driver said 'eat when it's time to eat", "the driver said eat when it's time to eat"),
        ("the 'ouse of 'em", "the ouse of em"),
        ("'a 'b' c'", "a b c"),
        ("rock 'n' roll!", "rock n roll"),
        ("   ", ""),
    ],
)
def test_text_becomes_plain_words(text, expected):
    assert normalize_english(text) == expected


def test_letters_of_other_alphabets_are_told():
    assert lost_letters("naïve Straße, Łódź 5 €!") == ""
    assert lost_letters("Привет, мир") == "приветмир"


@given(st.text(max_size=80))
def test_any_text_gives_letters_apostrophes_and_single_spaces_and_is_stable(text):
    once = normalize_english(text)
    assert re.fullmatch(r"([a-z']+( [a-z']+)*)?", once)
    assert normalize_english(once) == once


@given(st.text("abs' ", max_size=30))
def test_punctuation_elsewhere_does_not_change_which_apostrophes_are_quotation_marks(text):
    assert normalize_english(text + " .") == normalize_english(text)


@given(st.integers(0, 10**9), st.sampled_from("$£€"))
def test_an_amount_of_money_is_read_as_the_number_is(number, sign):
    words = normalize_english(f"{number:,}").split()  # with commas: 1,455 is not a year
    assert normalize_english(f"{sign}{number}").split()[:-1] == words


@pytest.mark.parametrize("text", ["9" * 5000, "$" + "9" * 400, "9" * 400 + "th", "9" * 5000 + ".5", "9" * 5000 + "th"])
def test_numbers_of_any_length_are_read_digit_by_digit(text):
    words = normalize_english(text).split()
    assert words.count("nine") >= text.count("9")
    assert normalize_english(" ".join(words)) == " ".join(words)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("‘What’s that?’ said he. ‘Nothing, lads’", ["‘What’s", "that?’", "said", "he.", "‘Nothing,", "lads’"]),
        ("the 'old man' of the boys'", ["the", "'old", "man'", "of", "the", "boys'"]),
        ("It cost $1.5 million, then", ["It", "cost", "$1.5 million,", "", "", "", "", "then"]),
        ("(£ 20\nthousand)", ["(£ 20 thousand)", "", ""]),
        ("US$ 5, £6", ["US$ 5,", "", "", "£6", ""]),
        ("at 25 – or so", ["at", "25", "–", "or", "so"]),
        ("Go – now!\n- Why?\n– So.", ["Go –", "now!", "- Why?", "– So."]),
        ("a “ new ” one ( old ) *", ["a", "“ new ”", "one", "( old ) *"]),
    ],
)
def test_each_word_of_a_printed_text_is_shown_as_it_is_printed(text, shown):
    assert printed_words(text, normalize_english(text).split()) == shown


@given(st.lists(st.sampled_from([*"a 'b bs' ‘c’ $5 $ 5,000 million. – ( Mr. 25th".split(), "\n"])))
def test_all_that_a_text_prints_is_shown(parts):
    text = " ".join(parts)
    words = normalize_english(text).split()
    shown = printed_words(text, words)
    assert not words or " ".join(filter(None, shown)).split() == text.split()
