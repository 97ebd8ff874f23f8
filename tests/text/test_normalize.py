from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.text.normalize import normalize_english


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HE'S THERE", "he's there"),
        ("'TIS THE DOGS' HOUSE", "'tis the dogs' house"),
        ("in being comparatively modern.", "in being comparatively modern"),
        ("Printing, in 1455, began", "printing in fourteen fifty five began"),
        ("It cost $3.50 & Mr. O’Neil's", "it cost three dollars and fifty cents and mister o'neil's"),
        ("the 2nd of 1,234 books", "the second of one thousand two hundred thirty four books"),
        ("3.14%", "three point one four percent"),
        ("the 1920s", "the nineteen twenties"),
        ("“Quoted ‘words’ here,” he said", "quoted words here he said"),
        ("naïve café 😀", "naive cafe"),
        ("twenty-one", "twenty one"),
        ("   ", ""),
    ],
)
def test_text_becomes_plain_words(text, expected):
    assert normalize_english(text) == expected


@given(st.text(max_size=80))
def test_any_text_gives_letters_apostrophes_and_single_spaces_and_is_stable(text):
    once = normalize_english(text)
    assert re.fullmatch(r"([a-z']+( [a-z']+)*)?", once)
    assert normalize_english(once) == once
