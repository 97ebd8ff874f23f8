"""The words of a search, in the lexicon's tree and in the language model; with more words for hotwords."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from asr._native import Trie
from asr.cache_folder import cached_arrays
from asr.decode.hotwords import Hotword, WrittenForms, parts
from asr.decode.preflight import check_vocabulary
from asr.decode.search.hotwords import HotwordArrays, Phrase, build_hotwords
from asr.decode.search.trie import TREE_VERSION, TrieArrays, extended_trie, load_trie
from asr.errors import TextError
from asr.lm.ngram.arpa import LN10, MISSING_LOG10
from asr.lm.ngram.tables import TABLES_VERSION, NgramModel
from asr.text.lexicon import Lexicon
from asr.text.spelling import Speller, Way
from asr.text.tokens import BOUNDARY, Tokens
from asr.text.word_list import WordList

IDS_VERSION = "1"  # of a cache of the words' ids in a language model
IDS_FORMS = {"ids": ("<i4", 1)}
MISSING_SCORE = MISSING_LOG10 * LN10
VARIANTS = 3  # pronunciations by rule of a word that the lexicon lacks
SAMPLE = 200  # words of a lexicon that tell its case
_ONE_AT_A_TIME = threading.Lock()  # extending a vocabulary takes several times its size


@dataclass(frozen=True)
class Vocabulary:
    """The words that a search can recognise."""

    words: WordList
    arrays: TrieArrays
    trie: Trie
    lm_ids: NDArray[np.int32]  # (words + 1,) ids in the language model, last of the unknown word; -1: it has none
    unigrams: NDArray[np.float32]  # (words + 1,) ln P without context; 0 without a language model

    @cached_property
    def is_upper(self) -> bool:
        """Whether the words are in upper case."""
        some = list(islice((word for word in self.words if word.upper() != word.lower()), SAMPLE))
        return bool(some) and all(word.isupper() for word in some)


@dataclass(frozen=True)
class HotwordVocabulary:
    """A vocabulary with what hotwords add to it."""

    vocabulary: Vocabulary
    arrays: HotwordArrays | None
    written: WrittenForms


def open_vocabulary(tokens: Tokens, lexicon: Lexicon, lm: NgramModel | None) -> Vocabulary:
    """The words of a lexicon. Raises TextError if the language model knows hardly any of them."""
    arrays, words = load_trie(lexicon, tokens)
    if lm is None:
        return _vocabulary(words, arrays, len(tokens), np.zeros(0, np.int32), None)
    places = _ids_in(lm, lexicon, words)
    check_vocabulary(words, lm, int((places >= 0).sum()))
    return _vocabulary(words, arrays, len(tokens), np.append(places, np.int32(lm.unknown)), lm)


def _ids_in(lm: NgramModel, lexicon: Lexicon, words: WordList) -> NDArray[np.int32]:
    """A language model's ids of the lexicon's words, -1 for those that it lacks; cached where both are files."""
    if lm.path is None or lexicon.source is None:
        return lm.words.numbers(words)
    version = f"{IDS_VERSION} {TABLES_VERSION} {TREE_VERSION}"
    made = cached_arrays(
        lexicon.source, "lexicon", version, lambda: {"ids": lm.words.numbers(words)}, IDS_FORMS, [lm.path]
    )
    ids: NDArray[np.int32] = made["ids"]
    if len(ids) != len(words) or ids.max(initial=-1) >= len(lm.words) or ids.min(initial=-1) < -1:
        raise TextError(f"{lexicon.source} or {lm.path} changed while it was read; try again.")
    return ids


def with_hotwords(
    own: Vocabulary, hotwords: Sequence[Hotword], tokens: Tokens, speller: Speller, lm: NgramModel | None
) -> HotwordVocabulary:
    """A vocabulary with the words of phrases that it lacks and the automaton of the phrases.

    Raises TextError naming words that cannot be pronounced, or pronunciations in what is no token.
    """
    phrases: dict[Phrase, float] = {}
    forms: dict[tuple[str, ...], Sequence[str]] = {}
    added: dict[str, list[Way]] = {}  # spellings of words
    for hotword in hotwords:
        written = hotword.phrase.split()
        names = tuple(_name(own, word) for word in written)
        said = [_named(way, tokens, hotword) for pronunciation in hotword.pronunciations for way in [pronunciation]]
        for place, (name, word) in enumerate(zip(names, written, strict=True)):
            if said:
                added.setdefault(name, []).extend(ways[place] for ways in said)
            elif name not in own.words and name not in added:
                added[name] = speller.written(word, VARIANTS)
        phrases[names] = hotword.nats(new=any(name not in own.words for name in names))
        forms[names] = written
    with _ONE_AT_A_TIME:
        vocabulary = _extended(own, added, tokens, lm) if added else own
    arrays = build_hotwords(phrases, vocabulary.words)
    return HotwordVocabulary(vocabulary, arrays, WrittenForms(forms))


def _name(own: Vocabulary, word: str) -> str:
    """The name of a written word in the search: as the vocabulary writes it, else in the case of most of its words."""
    plain = word.replace("\u2019", "'")
    folded = plain.upper() if own.is_upper else plain.lower()
    forms = (folded, plain, plain.capitalize(), plain.upper())
    return next((form for form in forms if form in own.words), folded)


def _named(pronunciation: str, tokens: Tokens, hotword: Hotword) -> list[Way]:
    """The tokens of each word of a pronunciation, which may be in another case than the tokens."""
    end = (BOUNDARY,) if BOUNDARY in tokens.ids else ()
    ways = []
    for names in parts(pronunciation):
        known = [next((way for way in (name, name.upper(), name.lower()) if way in tokens.ids), "") for name in names]
        if not known or "" in known:
            wrong = names[known.index("")] if known else ""
            usable = " ".join(name for name in tokens.names[1:] if name != BOUNDARY)[:200]
            raise TextError(
                f"hotword '{hotword.phrase}': '{wrong}' is no token of the model; after '=' stands a boost, a number, "
                f"or a pronunciation, made of {usable}."
            )
        ways.append((*known, *end))
    return ways


def _extended(own: Vocabulary, added: Mapping[str, list[Way]], tokens: Tokens, lm: NgramModel | None) -> Vocabulary:
    new = [word for word in added if word not in own.words]
    index = {word: len(own.words) + number for number, word in enumerate(new)}
    ids = tokens.ids
    spellings = [
        (index[word] if word in index else own.words.get(word), [ids[name] for name in way])
        for word, ways in added.items()
        for way in dict.fromkeys(ways)
    ]
    places = own.lm_ids
    if lm is not None:
        places = np.concatenate([own.lm_ids[:-1], lm.words.numbers(WordList.of(new)), own.lm_ids[-1:]]).astype(np.int32)
    return _vocabulary(own.words.extended(new), extended_trie(own.arrays, spellings), len(tokens), places, lm)


def _vocabulary(
    words: WordList, arrays: TrieArrays, token_count: int, places: NDArray[np.int32], lm: NgramModel | None
) -> Vocabulary:
    """places: of the words in the language model and, last, of the unknown word; -1 for those that it lacks."""
    trie = arrays.compiled(token_count, len(words))
    if lm is None:
        return Vocabulary(words, arrays, trie, places, np.zeros(len(words) + 1, np.float32))
    ids = np.where(places < 0, np.int32(lm.unknown), places)
    known = lm.arrays.unigram_log_probs[np.maximum(ids, 0)]
    return Vocabulary(words, arrays, trie, ids, np.where(ids < 0, np.float32(MISSING_SCORE), known).astype(np.float32))
