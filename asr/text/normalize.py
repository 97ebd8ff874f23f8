"""English text as plain words: letters and apostrophes, with numbers and signs spelled out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from asr.text.number_words import cardinal, digit_by_digit, ordinal, year

CASES: dict[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "keep": str}

ABBREVIATIONS = {
    "mr.": "mister", "mrs.": "missus", "dr.": "doctor", "st.": "saint", "co.": "company", "jr.": "junior",
    "maj.": "major", "gen.": "general", "rev.": "reverend", "lt.": "lieutenant", "hon.": "honorable",
    "sgt.": "sergeant", "capt.": "captain", "esq.": "esquire", "ltd.": "limited", "col.": "colonel", "ft.": "fort",
}  # fmt: skip
_TITLES = {"mr": "mister", "mrs": "missus"}  # without a full stop, as British print has them
_SIGNS = {"&": " and ", "%": " percent ", "+": " plus ", "=": " equals ", "@": " at "}
_CURRENCIES = {"$": ("dollar", "dollars"), "£": ("pound", "pounds"), "€": ("euro", "euros")}
_YEARS = range(1100, 2100)
LONGEST_NUMBER = 15  # characters, commas included; longer numbers are read digit by digit

_MONEY = re.compile(r"([$£€])\s?(\d+(?:,\d{3})*)(?:\.(\d\d))?(?!\d)")
_GREAT = "thousand|million|billion|trillion"
_GREAT_MONEY = re.compile(rf"([$£€])\s?(\d+(?:,\d{{3}})*)(?:\.(\d+))? ({_GREAT})\b")
# The parts of a text that are read by themselves: sums of money, which may hold spaces, and what stands between spaces.
_PRINTED = re.compile(rf"\S*[$£€]\s*\d\S*(?:\s+(?:{_GREAT})\b\S*)?|\S+", re.IGNORECASE)
_TELEPHONE = re.compile(r"(?<![\d-])(?:\d{3}-)?\d{3}-\d{4}(?![\d-])")
_DECIMAL = re.compile(r"\b(\d+(?:,\d{3})*)\.(\d+)")
_ORDINAL = re.compile(r"\b(\d+(?:,\d{3})*)(?:st|nd|rd|th)\b")
_DECADE = re.compile(r"\b(\d{3}0)s\b")
_INTEGER = re.compile(r"\d+(?:,\d{3})*")
# Letters that Unicode does not take for letters with accents.
_IN_PLAIN_LETTERS = str.maketrans(
    {"æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ß": "ss", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "đ": "d", "Đ": "d",
     "ð": "d", "Ð": "d", "þ": "th", "Þ": "th", "ı": "i"}
)  # fmt: skip
_APOSTROPHES = re.compile("[\u2018\u2019\u02bc`\u00b4]")
_PLAIN = re.compile(r"[a-z' ]*")
_DIGIT = re.compile(r"\d")
_MAY_BE_ABBREVIATED = re.compile("|".join(re.escape(short) for short in ABBREVIATIONS))
_NOT_A_WORD = re.compile(r"[^a-z' ]+")
_LOOSE_APOSTROPHES = re.compile(r"(?<![a-z])'+(?=[^a-z]|$)|'{2,}")
# Words that begin with an apostrophe in print: where one stands, it opens no quotation. `asr.text.prose` has a list for
# books, of words alone: no ends of contractions ("he 'll"), as these stand apart in tokenised text and not in books.
_ELISIONS = (
    "bout|cause|cos|cuz|d|e|em|er|gainst|im|ll|m|n|neath|pon|re|s|t|tain|til|tis|tisn|twas|twasn|tween|twere|twill|twixt|"
    "twould|ve"
)
_QUOTED = re.compile(rf"(?<![a-z])'(?!(?:{_ELISIONS})(?![a-z]))([a-z](?:[a-z' ]*?[a-z])?)'(?![a-z])")
_QUOTED_WORD = re.compile(r"(?<![a-z])'([a-z]+)'(?![a-z])")
_LEADING_APOSTROPHES = re.compile(r"(?<![a-z])'+(?=[a-z])")


def normalize_english(text: str) -> str:
    """The text in the form of LibriSpeech's references, in lower case: words of a-z and apostrophes, one space between.

    Numbers are spelled out ("1455" as a year, "$3.50" as dollars and cents), common titles expanded, accents, quotation
    marks and other punctuation removed, an apostrophe before a word too ("'tis" becomes "tis"). The result does not
    change when it is normalised again.
    """
    text = _plain_letters(text)
    if not _PLAIN.fullmatch(text):
        if _MAY_BE_ABBREVIATED.search(text):
            text = " ".join(ABBREVIATIONS.get(word.strip('("[,;'), word) for word in text.split())
        if _DIGIT.search(text):
            text = _spell_numbers(" ".join(text.split()))
        for sign, words in _SIGNS.items():
            text = text.replace(sign, words)
        text = _NOT_A_WORD.sub(" ", text)
    if "'" in text:
        text = _unquoted(text)
    return " ".join(_TITLES.get(word, word) for word in text.split())


def lost_letters(text: str) -> str:
    """The letters that `normalize_english` leaves out of a text: those of other alphabets."""
    return "".join(letter for letter in _plain_letters(text) if letter.isalpha() and not letter.isascii())


def printed_words(text: str, words: Sequence[str]) -> list[str | None]:
    """What a text prints for each word of `normalize_english(text)`, which `words` are.

    An empty string where the word before shows it as well, as 25 shows "twenty five". A sign that stands alone goes
    with the word before it, or with the one behind if it opens something, as the dash of a speaker does at a line's
    beginning. None for all words where they are not those of the text's parts, taken one by one.
    """
    shown: list[str | None] = []
    found: list[str] = []
    opening = ""
    for match in _PRINTED.finditer(text):
        part = " ".join(match[0].split())
        spoken = normalize_english(part).split()
        if spoken:
            found += spoken
            shown += [opening + part, *[""] * (len(spoken) - 1)]
            opening = ""
        elif not shown or opening or _opens(match):
            opening += f"{part} "
        else:
            shown[-1] = f"{shown[-1]} {part}" if shown[-1] else part
    if opening and shown:
        shown[-1] = f"{shown[-1]} {opening.rstrip()}".lstrip()
    return shown if _bare(found) == _bare(words) else [None] * len(words)


def _opens(sign: re.Match[str]) -> bool:
    """Whether a sign that stands alone belongs to the word behind it."""
    line = sign.string.rfind("\n", 0, sign.start()) + 1
    return not sign.string[line : sign.start()].strip() or unicodedata.category(sign[0][-1]) in ("Ps", "Pi")


def _bare(words: Sequence[str]) -> list[str]:
    """Words without the apostrophes at their ends: only the whole text tells which of them are quotation marks."""
    return [word.strip("'") for word in words]


def _unquoted(text: str) -> str:
    """The text without the apostrophes that are quotation marks, stand before a word or belong to none.

    Quotations may be nested. One that is not closed loses the mark that opens it, as an elision does.
    """
    text = _QUOTED_WORD.sub(r"\1", text)
    while True:
        shorter = _LOOSE_APOSTROPHES.sub(" ", _QUOTED.sub(r"\1", text))
        if shorter == text:
            return _LEADING_APOSTROPHES.sub("", text)
        text = shorter


def _plain_letters(text: str) -> str:
    """In lower case, accents off, one kind of apostrophe."""
    if text.isascii():
        return text.replace("`", "'").lower()
    text = unicodedata.normalize("NFKD", _APOSTROPHES.sub("'", text).translate(_IN_PLAIN_LETTERS))
    return "".join(character for character in text if not unicodedata.combining(character)).lower()


def _spell_numbers(text: str) -> str:
    text = _TELEPHONE.sub(lambda match: f" {digit_by_digit(match[0])} ", text)
    text = _MONEY.sub(_money, _GREAT_MONEY.sub(_great_money, text))
    text = _DECADE.sub(lambda match: _plural(year(int(match[1]))), text)
    text = _ORDINAL.sub(lambda match: f" {_ordinal(match[1])} ", text)
    text = _DECIMAL.sub(lambda match: f" {_integer(match[1])} point {digit_by_digit(match[2])} ", text)
    return _INTEGER.sub(lambda match: f" {_integer(match[0])} ", text)


def _number(digits: str) -> int:
    return int(digits.replace(",", ""))


def _integer(digits: str) -> str:
    """A whole number in words: four digits that may be a year as one, very long numbers digit by digit."""
    if len(digits) > LONGEST_NUMBER:
        return digit_by_digit(digits)
    value = _number(digits)
    return year(value) if len(digits) == 4 and value in _YEARS else cardinal(value)


def _ordinal(digits: str) -> str:
    """An ordinal in words, a very long one digit by digit."""
    return digit_by_digit(digits) if len(digits) > LONGEST_NUMBER else ordinal(_number(digits))


def _plural(words: str) -> str:
    return f" {words[:-1]}ies " if words.endswith("y") else f" {words}s "


def _great_money(match: re.Match[str]) -> str:
    """$1.5 million: the currency is said last."""
    part = f" point {digit_by_digit(match[3])}" if match[3] else ""
    return f" {cardinal(_number(match[2]))}{part} {match[4]} {_CURRENCIES[match[1]][1]} "


def _money(match: re.Match[str]) -> str:
    singular, plural = _CURRENCIES[match[1]]
    if len(match[2]) > LONGEST_NUMBER:
        words = f" {digit_by_digit(match[2])} {plural} "
    else:
        whole = _number(match[2])
        words = f" {cardinal(whole)} {singular if whole == 1 else plural} "
    cents = int(match[3] or 0)
    return f"{words} and {cardinal(cents)} {'cent' if cents == 1 else 'cents'} " if cents else words
