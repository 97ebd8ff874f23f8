"""From the words of the search to text that is read: marks, capitals, figures, sentences, paragraphs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

from asr.decode.timed import Word
from asr.errors import ConfigError
from asr.nlp.tagging.marks import marked
from asr.nlp.tagging.tagger import Tagger
from asr.recognizer.turns import turns
from asr.text.figures import figures, titles
from asr.text.phrases import SENTENCE_END

NUMBERS = ("digits", "words")
NUMBER_PAUSE = 0.7  # seconds; no number goes on over a longer pause
PARAGRAPH_PAUSE = 1.5  # seconds of silence after a sentence that end a paragraph
LONG_PARAGRAPH, SHORT_PAUSE = 80, 0.6  # words; a paragraph of that length ends at a shorter pause
LONGEST_PARAGRAPH = 160  # words, after which it ends with the sentence
_SCALES = frozenset(("thousand", "million", "billion"))


def check_numbers(numbers: str) -> None:
    """Raise ConfigError for what is none of `NUMBERS`."""
    if numbers not in NUMBERS:
        raise ConfigError(f"`numbers` must be {' or '.join(NUMBERS)}, not '{numbers}'.")


def for_reading(words: Sequence[Word], tagger: Tagger, numbers: str = "digits") -> tuple[Word, ...]:
    """The words with `display` set; words, times and order stay as they are. Channels are read apart.

    numbers: digits or words. Raises ConfigError for another value.
    """
    check_numbers(numbers)
    shown: list[str] = [""] * len(words)
    for channel in dict.fromkeys(word.channel for word in words):
        places = [place for place, word in enumerate(words) if word.channel == channel]
        for place, text in zip(places, _displays([words[place] for place in places], tagger, numbers), strict=True):
            shown[place] = text
    return tuple(replace(word, display=text) for word, text in zip(words, shown, strict=True))


def _displays(words: Sequence[Word], tagger: Tagger, numbers: str) -> list[str]:
    plain = [word.word.lower() for word in words]
    pauses = [after.start - word.end for word, after in itertools.pairwise(words)] + [math.nan]
    shown = marked(tagger, plain, pauses)
    shown = [text if title is None else title for text, title in zip(shown, titles(plain, shown), strict=True)]
    # Hotwords that the user writes with capitals stay as they are written.
    shown = [
        text if word.word == low else word.word + text[len(low) :]
        for word, low, text in zip(words, plain, shown, strict=True)
    ]
    if numbers == "words":
        return shown
    marks = ["" if text[-1:].isalnum() else text[-1:] for text in shown]
    breaks = [
        mark in SENTENCE_END or mark == ";" or pause > NUMBER_PAUSE or (mark == "," and word not in _SCALES)
        for word, mark, pause in zip(plain, marks, pauses, strict=True)
    ]
    begins = [place == 0 or marks[place - 1] in SENTENCE_END for place in range(len(words))]
    written = figures(plain, breaks, begins)
    for place, text in enumerate(written):
        if text is None:
            continue
        last = place
        while text and last + 1 < len(written) and written[last + 1] == "":
            last += 1
        shown[place] = text + (marks[last] if text and not text.endswith(marks[last] or " ") else "")
    return shown


def text_of(words: Sequence[Word]) -> str:
    """The words as they are to be read, separated by spaces."""
    return " ".join(text for text in map(shown_as, words) if text)


def shown_as(word: Word) -> str:
    """What is written of a word; empty where the word before shows it as well."""
    return word.word if word.display is None else word.display


def paragraphs(words: Sequence[Word]) -> list[list[Word]]:
    """Words in paragraphs of whole sentences, divided at pauses and between channels; without marks, in one."""
    found: list[list[Word]] = []
    for turn in turns(words):
        found.append([])
        for place, word in enumerate(turn):
            found[-1].append(word)
            if place + 1 == len(turn) or not _ends_sentence(turn, place):
                continue
            pause, length = turn[place + 1].start - word.end, len(found[-1])
            if (
                pause > PARAGRAPH_PAUSE
                or (length > LONG_PARAGRAPH and pause > SHORT_PAUSE)
                or length > LONGEST_PARAGRAPH
            ):
                found.append([])
    return found


def _ends_sentence(words: Sequence[Word], place: int) -> bool:
    """Whether a sentence ends with a word, which may be written by one before it."""
    if words[place + 1].display == "":
        return False
    while place and words[place].display == "":
        place -= 1
    shown = words[place].display or ""
    return shown[-1:] in SENTENCE_END and not shown.endswith(("Mr.", "Mrs.", "Dr."))
