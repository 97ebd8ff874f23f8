"""Whole numbers in English words, as they are spoken in America: without "and", hyphens and commas."""

from __future__ import annotations

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_THOUSANDS = (
    "", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion",
    "octillion", "nonillion", "decillion",
)  # fmt: skip
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip


def cardinal(value: int) -> str:
    """The number `value`, at least 0, such as "one hundred five"; digit by digit where there is no name for it."""
    if value >= 1000 ** len(_THOUSANDS):
        return digit_by_digit(str(value))
    parts: list[str] = []
    for power in reversed(range(len(_THOUSANDS))):
        group = value // 1000**power % 1000
        if group:
            parts += _below_thousand(group) + ([_THOUSANDS[power]] if power else [])
    return " ".join(parts) or _SMALL[0]


def ordinal(value: int) -> str:
    """The place `value` in an order, such as "twenty first"."""
    *before, last = cardinal(value).split()
    regular = f"{last.removesuffix('y')}ieth" if last.endswith("y") else f"{last}th"
    return " ".join([*before, _ORDINALS.get(last, regular)])


def year(value: int) -> str:
    """The year `value`, such as "nineteen oh five"; as a number where it is not read in two halves (2005)."""
    century, rest = divmod(value, 100)
    if century == 0 or (century % 10 == 0 and rest < 10) or century >= 100:
        return cardinal(value)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def digit_by_digit(digits: str) -> str:
    """Each digit of a text as a word; what is no digit is left out."""
    return " ".join(_SMALL[int(digit)] for digit in digits if digit.isdecimal())


def _below_thousand(value: int) -> list[str]:
    hundreds, rest = divmod(value, 100)
    words = [_SMALL[hundreds], "hundred"] if hundreds else []
    if rest < 20:
        return words + ([_SMALL[rest]] if rest else [])
    return [*words, _TENS[rest // 10]] + ([_SMALL[rest % 10]] if rest % 10 else [])
