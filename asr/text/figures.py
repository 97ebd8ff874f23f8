"""Spoken English numbers as people write them: the way back from `normalize_english`.

    twenty five percent           25%            in nineteen eighty four       in 1984
    three dollars and fifty cents $3.50          the twenty first of may       the 21st of may
    two thousand five hundred     2,500          at five thirty p m            at 5:30 p.m.
    one point five                1.5            five five five oh one two three   555-0123

It is cautious: whole numbers and ordinals below ten stay words, so does what could be two numbers, and numbers below a
hundred at the beginning of a sentence. A written form says the words that were spoken and no others: "may fifth" is
"may 5th", "pounds", which may be weight, stay pounds. The libraries for this need a compiler of grammars (NeMo's:
pynini) or know cardinals and ordinals alone (text2num).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

_ONE_TO_NINE = "one two three four five six seven eight nine"
_FROM_TEN = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_BY_TEN = "twenty thirty forty fifty sixty seventy eighty ninety"
_FIRST_TO = """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
    fifteenth sixteenth seventeenth eighteenth nineteenth"""
_TWELVE = "january february march april may june july august september october november december"
_BEFORE_YEARS = "in of since until till by from to after before during year spring summer autumn winter fall"
_UNITS = {word: number for number, word in enumerate(_ONE_TO_NINE.split(), 1)}
_TEENS = {word: number for number, word in enumerate(_FROM_TEN.split(), 10)}
_TENS = {word: 10 * number for number, word in enumerate(_BY_TEN.split(), 2)}
_SCALES = {"thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_DIGITS = {"zero": 0, "oh": 0} | _UNITS
_REPEATS = {"double": 2, "triple": 3}
_ORDINALS = {word: number for number, word in enumerate(_FIRST_TO.split(), 1)} | {
    f"{word[:-1]}ieth": value for word, value in _TENS.items()
}
_SCALE_ORDINALS = {"hundredth": 100, "thousandth": 1000, "millionth": 10**6}
_DECADES = {f"{word[:-1]}ies": value for word, value in _TENS.items()} | {"hundreds": 0}
_MONTHS = frozenset(_TWELVE.split())
_YEAR_CUES = _MONTHS | frozenset(_BEFORE_YEARS.split())
_CURRENCIES = {"dollar": "$", "dollars": "$", "euro": "\u20ac", "euros": "\u20ac"}
_CENTS = frozenset(("cent", "cents"))
_TITLES = {"mister": "Mr.", "missus": "Mrs.", "doctor": "Dr."}

LEAST = 10  # whole numbers and ordinals below it stay words
LEAST_FIRST = 100  # at the beginning of a sentence
LEAST_DIGITS = 5  # of a number read digit by digit; with a zero inside, three


@dataclass(frozen=True)
class _Found:
    text: str
    end: int  # the word after it
    least: int = 0  # the value it is judged by, where a small one stays words; 0: always written


class _Reader:
    """The words of a text, and where no number may go on from one word to the next."""

    def __init__(self, words: Sequence[str], breaks: Sequence[bool]) -> None:
        self._words, self._breaks = words, breaks

    def at(self, place: int, first: int) -> str:
        """The word at a place, empty if a break lies between it and `first`, where the number began."""
        if place >= len(self._words) or any(self._breaks[first:place]):
            return ""
        return self._words[place]

    def before(self, place: int) -> str:
        return self._words[place - 1] if place and not self._breaks[place - 1] else ""


def figures(
    words: Sequence[str], breaks: Sequence[bool] | None = None, begins: Sequence[bool] | None = None
) -> list[str | None]:
    """What to write for each word: None for the word itself, an empty string where the word before shows it as well.

    words: in lower case, as `normalize_english` writes them. breaks: (words,) whether no number goes on after a word,
    as at the end of a sentence. begins: (words,) whether a sentence begins with it.
    """
    reader = _Reader(words, breaks if breaks is not None else [False] * len(words))
    written: list[str | None] = [None] * len(words)
    place = 0
    while place < len(words):
        found = _number(reader, place)
        least = LEAST_FIRST if begins is not None and begins[place] else LEAST
        if found is None or 0 < found.least < least:
            place = place + 1 if found is None else found.end
            continue
        written[place : found.end] = [found.text] + [""] * (found.end - place - 1)
        place = found.end
    return written


def titles(words: Sequence[str], shown: Sequence[str]) -> list[str | None]:
    """ "Mr." and the like for a title before a name, None for other words. shown: the words with their capitals."""
    return [
        _TITLES[word] if word in _TITLES and place + 1 < len(words) and shown[place + 1][:1].isupper() and
        shown[place][-1:].isalpha() else None
        for place, word in enumerate(words)
    ]  # fmt: skip


def _number(reader: _Reader, first: int) -> _Found | None:
    """The number that begins at a word, if one does."""
    for read in _KINDS:
        found = read(reader, first)
        if found is not None:
            return found
    return None


def _digits(reader: _Reader, first: int) -> _Found | None:
    """A number read digit by digit: telephone, room, account."""
    digits, place, zero = "", first, False
    while True:
        word = reader.at(place, first)
        times = _REPEATS.get(word, 1)
        if times > 1:
            word = reader.at(place + 1, first)
        if word not in _DIGITS:
            break
        digits += str(_DIGITS[word]) * times
        zero = zero or (word in ("oh", "zero") and len(digits) > 1)
        place += 2 if times > 1 else 1
    if len(digits) < (3 if zero else LEAST_DIGITS) or reader.at(place, first) in _MORE:
        return None
    if reader.at(place, first) == "point":
        return None
    if len(digits) == 7:
        digits = f"{digits[:3]}-{digits[3:]}"
    elif len(digits) == 10:
        digits = f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"
    return _Found(digits, place)


def _time(reader: _Reader, first: int) -> _Found | None:
    """A time of day, where it says a m or p m, o'clock, or stands after "at" and has minutes."""
    hour = (_UNITS | {w: _TEENS[w] for w in ("ten", "eleven", "twelve")}).get(reader.at(first, first))
    if hour is None:
        return None
    place, minutes = first + 1, None
    if reader.at(place, first) == "oh" and reader.at(place + 1, first) in _UNITS:
        minutes, place = _UNITS[reader.at(place + 1, first)], place + 2
    else:
        read = _below_hundred(reader, place, first)
        if read is not None and 10 <= read[0] < 60:
            minutes, place = read
    half = reader.at(place, first), reader.at(place + 1, first)
    clock = f"{hour}:{minutes:02d}" if minutes is not None else f"{hour}"
    if half in (("a", "m"), ("p", "m")):
        return _Found(f"{clock} {half[0]}.m.", place + 2)
    if minutes is None and half[0] == "o'clock":
        return _Found(f"{clock} o'clock", place + 1)
    follows = _below_hundred(reader, place, first) or reader.at(place, first) in _MORE
    if minutes is not None and not follows and reader.before(first) == "at":
        return _Found(clock, place)
    return None


def _year(reader: _Reader, first: int) -> _Found | None:
    """A year in two pairs (nineteen eighty four, nineteen oh five), in hundreds, a decade, or two thousand five."""
    high = _below_hundred(reader, first, first)
    if high is None:
        return None
    value, place = high
    cued = reader.before(first) in _YEAR_CUES or _is_day(reader, first)
    word = reader.at(place, first)
    if value == 2 and word == "thousand" and cued:
        place += 1
        if reader.at(place, first) == "and":
            place += 1
        low = _below_hundred(reader, place, first)
        if low is None:
            return (
                None
                if reader.at(place - 1, first) == "and" or reader.at(place, first) in _MORE
                else _Found("2000", place)
            )
        return None if reader.at(low[1], first) in _MORE else _Found(f"{2000 + low[0]}", low[1])
    if not 10 <= value <= 20 or place - first > 1:
        return None
    if word in _DECADES:
        return _Found(f"{value}{_DECADES[word] or '00'}s", place + 1)
    if word == "hundred":
        low = _below_hundred(reader, place + 1, first)
        alone = low is None and reader.at(place + 1, first) not in (*_MORE, "and", "dollars", "percent")
        return _Found(f"{value}00", place + 1) if alone and value < 20 else None
    if word == "oh" and reader.at(place + 1, first) in _UNITS:
        return _Found(f"{value}0{_UNITS[reader.at(place + 1, first)]}", place + 2)
    low = _below_hundred(reader, place, first)
    if (
        low is None
        or low[0] < 10
        or (value < 13 and not cued)
        or reader.at(low[1], first) in (*_MORE, "percent", "dollars")
    ):
        return None
    return _Found(f"{value}{low[0]:02d}", low[1])


def _is_day(reader: _Reader, first: int) -> bool:
    """Whether an ordinal after a month stands before a word: may fifth nineteen …"""
    return reader.before(first) in _ORDINALS


def _ordinal(reader: _Reader, first: int) -> _Found | None:
    read = _ordinal_value(reader, first)
    if read is None:
        return None
    value, place = read
    dated = reader.before(first) in _MONTHS or (
        reader.at(place, first) == "of" and reader.at(place + 1, first) in _MONTHS
    )
    suffix = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return _Found(f"{value:,}{suffix}", place, 0 if dated else value)


def _ordinal_value(reader: _Reader, first: int) -> tuple[int, int] | None:
    word = reader.at(first, first)
    if word in _ORDINALS:
        return _ORDINALS[word], first + 1
    if word in _TENS and (unit := _ORDINALS.get(reader.at(first + 1, first), 99)) < 10:
        return _TENS[word] + unit, first + 2
    read = _cardinal(reader, first)
    if read is None:
        return None
    value, place = read
    last = reader.at(place, first)
    if last in _SCALE_ORDINALS and value < _SCALE_ORDINALS[last]:
        return value * _SCALE_ORDINALS[last], place + 1
    if last == "hundredth" and 0 < value % 1000 < 10:  # "one thousand one hundredth" is 1,100th
        return value + value % 1000 * 99, place + 1
    if reader.at(place, first) == "and":
        place += 1
    if value >= 100 and value % 100 == 0:
        low = _ordinal_value(reader, place) if reader.at(place, first) in (*_ORDINALS, *_TENS) else None
        if low is not None and low[0] < 100:
            return value + low[0], low[1]
    if value >= 100 and value % 10 == 0 and value % 100 >= 20 and reader.at(place, first) in _ORDINALS:
        unit = _ORDINALS[reader.at(place, first)]
        return (value + unit, place + 1) if unit < 10 else None
    return None


def _amount(reader: _Reader, first: int) -> _Found | None:
    """A whole or decimal number, with what may follow it: percent, a currency, a great unit."""
    read = _cardinal(reader, first)
    if read is None:
        if reader.at(first, first) == "zero" and reader.at(first + 1, first) == "point":
            read = 0, first + 1
        else:
            return None
    value, place = read
    text, small = f"{value:,}", value
    unit = next((name for name, size in _SCALES.items() if name != "thousand" and value and value % size == 0
                 and value // size < 1000 and reader.at(place - 1, first) == name), None)  # fmt: skip
    if unit is not None:
        text = f"{value // _SCALES[unit]} {unit}"
    if reader.at(place, first) == "point" and reader.at(place + 1, first) in _DIGITS and unit is None:
        place += 1
        text += "."
        while reader.at(place, first) in _DIGITS and reader.at(place, first) != "oh":
            text += str(_DIGITS[reader.at(place, first)])
            place += 1
        small = 0
        if reader.at(place, first) in _SCALES:
            text, place = f"{text} {reader.at(place, first)}", place + 1
    elif reader.at(place, first) in (*_MORE, "oh"):
        while reader.at(place, first) in (*_MORE, *_SCALES, "oh"):
            place += 1
        return _Found("", place, 1)  # several numbers side by side: left as words
    word = reader.at(place, first)
    if word == "percent":
        return _Found(f"{text}%", place + 1)
    if word == "per" and reader.at(place + 1, first) == "cent":
        return _Found(f"{text}%", place + 2)
    if word in _CURRENCIES:
        return _money(reader, first, place, text, whole=text.isdigit() or "," in text)
    return _Found(text, place, small)


def _money(reader: _Reader, first: int, place: int, text: str, whole: bool) -> _Found:
    """An amount of money; `place` is at the currency."""
    sign = _CURRENCIES[reader.at(place, first)]
    after = place + 1
    if whole:
        start = after + 1 if reader.at(after, first) == "and" else after
        cents = _below_hundred(reader, start, first)
        if cents is not None and reader.at(cents[1], first) in _CENTS:
            return _Found(f"{sign}{text}.{cents[0]:02d}", cents[1] + 1)
    return _Found(f"{sign}{text}", after)


def _cardinal(reader: _Reader, first: int) -> tuple[int, int] | None:
    """A whole number in words: its value and the word after it."""
    if reader.at(first, first) == "a":
        return _with_article(reader, first)
    total, place, limit, found = 0, first, 10**15, False
    while True:
        start = (
            place + 1 if found and reader.at(place, first) == "and" and reader.at(place - 1, first) != "and" else place
        )
        group = _below_thousand(reader, start, first)
        if group is None:
            break
        value, after = group
        scale = _SCALES.get(reader.at(after, first), 1)
        if scale >= limit or (start > place and scale > 1) or (found and limit == 1):
            break
        if scale > 1:
            after += 1
        if start > place and value >= 100:
            break
        total, place, limit, found = total + value * scale, after, scale, True
        if scale == 1:
            break
    return (total, place) if found else None


def _with_article(reader: _Reader, first: int) -> tuple[int, int] | None:
    """A hundred and fifty; "a hundred" alone is no exact number."""
    scale = {"hundred": 100, "thousand": 1000}.get(reader.at(first + 1, first))
    if scale is None:
        return None
    place = first + 3 if reader.at(first + 2, first) == "and" else first + 2
    low = _below_hundred(reader, place, first) if scale == 100 else _below_thousand(reader, place, first)
    if low is None or reader.at(low[1], first) in _SCALES:
        return None
    return scale + low[0], low[1]


def _below_thousand(reader: _Reader, place: int, first: int) -> tuple[int, int] | None:
    high = _below_hundred(reader, place, first)
    if high is None or reader.at(high[1], first) != "hundred":
        return high
    value, place = high[0] * 100, high[1] + 1
    low = _below_hundred(reader, place + 1 if reader.at(place, first) == "and" else place, first)
    if low is not None and reader.at(low[1], first) != "hundred":
        return value + low[0], low[1]
    return value, place


def _below_hundred(reader: _Reader, place: int, first: int) -> tuple[int, int] | None:
    word = reader.at(place, first)
    if word in _TENS:
        unit = _UNITS.get(reader.at(place + 1, first))
        return (_TENS[word], place + 1) if unit is None else (_TENS[word] + unit, place + 2)
    value = _UNITS.get(word) or _TEENS.get(word)
    return None if value is None else (value, place + 1)


_MORE = (*_UNITS, *_TEENS, *_TENS, "hundred", "zero")
_KINDS: tuple[Callable[[_Reader, int], _Found | None], ...] = (_time, _digits, _year, _ordinal, _amount)
