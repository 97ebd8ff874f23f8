"""Pronunciations for a list of words: from a dictionary, from the noun of a possessive, or by letter-to-sound."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from asr.callbacks import Note, Progress
from asr.text.letter_to_sound import LetterToSound, Phones
from asr.text.lexicon import Pronunciations

SIBILANTS = ("S", "Z", "SH", "ZH", "CH", "JH")
VOICELESS = ("P", "T", "K", "F", "TH")

_POSSESSIVE = re.compile(r"(.+?)('s|s'|')")


class Pronounced(NamedTuple):
    """The pronunciations of a word list, and how those came about that no dictionary lists."""

    pronunciations: Pronunciations
    by_rule: int  # words pronounced by a rule: possessives and letter-to-sound
    without: list[str]  # words without a pronunciation: they have a letter that does not occur in the dictionary


def pronounce(
    words: Iterable[str],
    dictionary: Pronunciations,
    variants: int = 2,
    note: Note | None = None,
    progress: Progress | None = None,
) -> Pronounced:
    """The pronunciations of words: up to `variants` of the dictionary's, or one by rule for a word that it lacks.

    The letter-to-sound model learns the first pronunciation of each entry. Raises TextError if it cannot be trained.
    """
    wanted = sorted(set(words))
    missing = [word for word in wanted if word not in dictionary]
    pronunciations = {word: dictionary[word][:variants] for word in wanted if word in dictionary}
    without: list[str] = []
    if missing:
        if note is not None:
            note(f"training letter-to-sound for {len(missing)} of {len(wanted)} words (about a minute)")
        rules = LetterToSound.train({word: ways[:1] for word, ways in dictionary.items()})
        for number, word in enumerate(missing, 1):
            phones = possessive(word, dictionary) or rules.pronounce(word)
            if phones is None:
                without.append(word)
            else:
                pronunciations[word] = [phones]
            if progress is not None:
                progress(number, len(missing))
    return Pronounced(pronunciations, len(missing) - len(without), without)


def possessive(word: str, dictionary: Pronunciations) -> Phones | None:
    """The phones of a possessive whose noun is in the dictionary, else None.

    Its ending is regular in English: "IH Z" after a sibilant, "S" after a voiceless consonant, "Z" after other phones;
    an apostrophe alone is silent. Phones are those of CMUdict.
    """
    match = _POSSESSIVE.fullmatch(word)
    if not match or match[1] not in dictionary:
        return None
    noun = dictionary[match[1]][0]
    if match[2] == "'":
        return noun
    if noun[-1] in SIBILANTS:
        return (*noun, "IH", "Z")
    return (*noun, "S" if noun[-1] in VOICELESS else "Z")
