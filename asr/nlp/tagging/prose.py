"""Printed prose as spoken words, each with the mark after it and its case: what a tagger of marks learns from."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from asr.text.normalize import ABBREVIATIONS, normalize_english
from asr.text.prose import ABBREVIATED, FUNCTION_WORDS

MARKS = ("", ",", ".", "?", "!", ";")  # after a word
CASES = ("lower", "capital", "upper")
UNSURE = -1  # a case that the page does not tell: the first word of a quotation within a sentence
ENDS = frozenset({".", "?", "!"})

VERSE_SHARE = 0.04  # of words that are frequent, capital, and begin no sentence; in prose it is below 0.01

# Dashes and colons count as commas, as in Tilk & Alumäe (2016).
_MARK_OF = {"?": "?", "!": "!", ".": ".", "\u2026": ".", ";": ";", ",": ",", ":": ",", "\u2014": ","}
_PRECEDENCE = "?!.\u2026;,:\u2014"
_BROKEN_OFF = re.compile('(?:-{2,}|\u2014)(?=["\u201d])')  # what is said ends there
_DASHES = re.compile(r"\s*(?:-{2,}|[\u2014\u2013])\s*")
_QUOTES = "\"'\u201c\u201d\u2018\u2019`"
_TOKEN = re.compile(rf"(?P<open>[{_QUOTES}(\[]*)(?P<body>.*?)(?P<close>[.,;:?!\u2026\u2014)\]{_QUOTES}]*)", re.S)


@dataclass(frozen=True)
class MarkedWord:
    """A spoken word as a page prints it: the index of the mark after it in `MARKS`, its case in `CASES` or `UNSURE`."""

    word: str
    mark: int
    case: int


def marked_words(text: str) -> list[MarkedWord]:
    """The words of a printed text as `normalize_english` writes them, with marks and case.

    Words of numbers are lower case. A full stop that belongs to an abbreviation or an initial is no mark.
    """
    found: list[MarkedWord] = []
    ellipsis = False
    for token in _DASHES.sub("\u2014 ", _BROKEN_OFF.sub(".", text)).split():
        opened, parts, mark, dots = _read(token)
        if not parts:  # signs alone belong to the word before
            if found and not found[-1].mark:
                found[-1] = MarkedWord(found[-1].word, mark, found[-1].case)
                ellipsis = dots
            continue
        if ellipsis and found and parts[0][1] == 0 and not opened:  # "well ... perhaps" goes on
            found[-1] = MarkedWord(found[-1].word, 1, found[-1].case)
        within = opened and bool(found) and MARKS[found[-1].mark] not in ENDS
        for place, (word, case) in enumerate(parts):
            unsure = within and place == 0 and case == 1 and word != "i" and not word.startswith("i'")
            found.append(MarkedWord(word, 0, UNSURE if unsure else case))
        found[-1] = MarkedWord(found[-1].word, mark, found[-1].case)
        ellipsis = dots
    return found


def is_verse(words: list[MarkedWord]) -> bool:
    """Whether a paragraph's lines begin with capitals, as those of verse and of headings do."""
    odd = sum(
        word.case == 1 and word.word in FUNCTION_WORDS and word.word != "i" and MARKS[before.mark] not in ENDS
        for before, word in itertools.pairwise(words)
    )
    return odd > 1 and odd > VERSE_SHARE * len(words)


def shown(word: str, case: int) -> str:
    """A word in a case of `CASES`."""
    if case == 2:
        return word.upper()
    if case != 1:
        return word
    at = next((place for place, letter in enumerate(word) if letter.isalpha()), 0)
    capital = word[:at] + word[at : at + 1].upper() + word[at + 1 :]
    if re.match(r"O'[a-z]{2}", capital):  # O'Brien
        return capital[:2] + capital[2:3].upper() + capital[3:]
    return capital


def paragraphs_of(lines: Iterator[str]) -> Iterator[str]:
    """Paragraphs of a text of sentences, one a line, with a blank line after each paragraph."""
    block: list[str] = []
    for line in lines:
        if line.strip():
            block.append(line.strip())
        elif block:
            yield " ".join(block)
            block = []
    if block:
        yield " ".join(block)


@lru_cache(maxsize=1 << 18)
def _read(token: str) -> tuple[bool, list[tuple[str, int]], int, bool]:
    """Of a printed token: whether a quotation opens, its words with case, the mark after it, whether dots trail off."""
    match = _TOKEN.fullmatch(token)
    assert match is not None
    opened, body, close = match["open"], match["body"], match["close"]
    signs = [sign for sign in _PRECEDENCE if sign in close]
    mark = MARKS.index(_MARK_OF[signs[0]]) if signs else 0
    dots = "..." in close or "\u2026" in close
    stem = body.lower()
    if mark == MARKS.index(".") and not dots and _is_shortened(body):
        mark = MARKS.index(_MARK_OF[signs[1]]) if len(signs) > 1 else 0
    if stem + "." in ABBREVIATIONS:
        body += "."
    parts: list[tuple[str, int]] = []
    for piece in body.split("-"):
        words = normalize_english(piece).split()
        case = _case(piece)
        spelled = "." in piece  # U.S.
        parts += [(word, case if place == 0 or spelled else min(case, 0)) for place, word in enumerate(words)]
    return bool(set(opened) & set('"\u201c\u201d')), parts, mark, dots


def _is_shortened(body: str) -> bool:
    """Whether a full stop after a token belongs to it: an abbreviation, an initial but I."""
    return (
        body.lower() in ABBREVIATED
        or (len(body) == 1 and body.isupper() and body != "I")
        or ("." in body and len(body.replace(".", "")) <= 3)
    )


def _case(piece: str) -> int:
    if any(character.isdigit() for character in piece):
        return 0
    letters = [character for character in re.sub("['\u2019]s$", "", piece) if character.isalpha()]
    if not letters or not letters[0].isupper():
        return 0
    return 2 if len(letters) > 1 and all(letter.isupper() for letter in letters) else 1
