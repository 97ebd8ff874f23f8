"""Spellings of any word in a model's tokens: by its lexicon, by letters, or by letter-to-sound."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from threading import Lock

from asr.callbacks import Note
from asr.errors import TextError
from asr.text.letter_to_sound import LetterToSound
from asr.text.letter_to_sound_file import read_letter_to_sound
from asr.text.lexicon import Lexicon
from asr.text.normalize import normalize_english
from asr.text.tokens import BOUNDARY, Tokens

LEARNED_FROM = 20_000  # lexicon entries that rules are learned from where a model has none: seconds, not a minute
SAID_BY_LETTERS = range(2, 6)  # letters of a word in capitals that may be read letter by letter, as "FBI"

Way = tuple[str, ...]  # the names of a spelling's tokens


class Speller:
    """Spells words in tokens: by the lexicon, else by characters or subwords, else by letter-to-sound.

    May be used by several threads at once.
    """

    def __init__(
        self, tokens: Tokens, lexicon: Lexicon | None, letter_to_sound: Path | None = None, note: Note | None = None
    ) -> None:
        """letter_to_sound: the model's file; without one, rules are learned from the lexicon when they are needed."""
        self.tokens, self.lexicon, self._file, self._note = tokens, lexicon, letter_to_sound, note
        self._rules: LetterToSound | None = None
        self._alone = Lock()

    def spell(self, word: str) -> list[list[int]]:
        """All spellings of a word, as token ids. Raises TextError for a word that cannot be spelled."""
        return [[self.tokens.ids[name] for name in way] for way in self.known(word) or self.by_rule(word, 1)]

    def known(self, word: str) -> list[Way]:
        """The lexicon's spellings of a word; none if it lacks the word."""
        return (self.lexicon.spellings.get(word) or []) if self.lexicon is not None else []

    def by_rule(self, word: str, most: int) -> list[Way]:
        """Up to `most` spellings of a word that the lexicon lacks. Raises TextError for a word that has none."""
        ways = self._by_letters(word) if self.tokens.spells_words else self._by_sound(word, most)
        if not ways:
            raise TextError(f"the word '{word}' cannot be spelled in the model's tokens; write it as it is said.")
        return ways

    def written(self, word: str, most: int) -> list[Way]:
        """Up to `most` spellings of a word as people write it: "Dvořák", "COVID-19", and "FBI", which has two more.

        Raises TextError for a word that has none.
        """
        if self.tokens.spells_words:
            return self.by_rule(word, most)
        said = normalize_english(word).split()
        if not said:
            raise TextError(f"the word '{word}' has no letters to pronounce; write it as it is said.")
        ways = [sum(parts, ()) for parts in product(*(self._said(part, most) for part in said))][:most]
        if len(said) > 1:  # such as a double name, which may be said as one word
            ways += [_as_one(way) for way in ways]
        if word.isupper() and word.isalpha() and len(word) in SAID_BY_LETTERS:
            letters = [self.known(letter) or self.known(letter.lower()) for letter in word]
            if all(letters):
                ways += [_as_one(sum((ways[-1] for ways in letters), ()))]
        return list(dict.fromkeys(ways))

    def _said(self, word: str, most: int) -> list[Way]:
        return (self.known(word) or self.known(word.upper()) or self.by_rule(word, most))[:most]

    def _by_letters(self, word: str) -> list[Way]:
        forms = (word, word.lower(), word.upper())
        ids = next((ids for form in forms if (ids := self.tokens.spell(form))), [])
        return [tuple(self.tokens.names[index] for index in ids)] if ids else []

    def _by_sound(self, word: str, most: int) -> list[Way]:
        with self._alone:  # the rules remember the word before
            if self._rules is None:
                self._rules = self._load_rules()
            ways = self._rules.pronunciations(word.lower(), most) or self._rules.pronunciations(word.upper(), most)
        end = (BOUNDARY,) if BOUNDARY in self.tokens.ids else ()
        return [(*way, *end) for way in ways]

    def _load_rules(self) -> LetterToSound:
        if self._file is not None:
            return read_letter_to_sound(self._file)
        if self.lexicon is None:
            raise TextError("nothing says how words are pronounced in these tokens; give a `lexicon`.")
        if self._note is not None:
            self._note("learning to pronounce words that the lexicon lacks …")
        entries = list(self.lexicon.spellings.items())
        some = entries[:: max(1, len(entries) // LEARNED_FROM)]
        return LetterToSound.train(
            {name: [tuple(p for p in way if p != BOUNDARY) for way in ways] for name, ways in some}
        )


def _as_one(way: Sequence[str]) -> Way:
    """A spelling without word boundaries but its last."""
    return tuple(name for name in way[:-1] if name != BOUNDARY) + tuple(way[-1:])
