from __future__ import annotations

import random
import re

import pytest
from num2words import num2words

from asr.text.number_words import cardinal, digit_by_digit, ordinal, year

RANDOM = random.Random(0)
NUMBERS = [*range(1500), *(10**power + more for power in range(3, 36) for more in (-1, 0, 1, 15)), 999_999_999_999_999]
NUMBERS += [RANDOM.randrange(10 ** RANDOM.randrange(1, 36)) for _ in range(2000)]


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[,-]| and ", " ", str(text)).split())


@pytest.mark.parametrize(("ours", "form"), [(cardinal, "cardinal"), (ordinal, "ordinal")])
def test_numbers_are_those_of_num2words(ours, form):
    for number in NUMBERS:
        assert ours(number) == _plain(num2words(number, to=form)), number


def test_years_are_those_of_num2words():
    for number in range(12000):
        assert year(number) == _plain(num2words(number, to="year")), number


def test_numbers_without_a_name_are_read_digit_by_digit():
    assert cardinal(10**36).split() == ["one"] + ["zero"] * 36
    assert ordinal(10**36).split()[-1] == "zeroth"
    assert digit_by_digit("1,05") == "one zero five"
