"""Where English text may be broken: between sentences, at marks, before conjunctions and prepositions."""

from __future__ import annotations

SENTENCE_END = frozenset(".?!")
_CLOSING = "\"'\u201d\u2019)"

# A line that ends in one of these leaves the reader waiting for its noun or verb.
_A_THE = "a an the my your his its our their every"
_MR = "mr mrs ms dr st mister missus doctor miss sir saint captain lord lady professor"
_OF_IN = """of in on at by for with from to into onto upon over under about between through during without within
    against toward towards among across behind beyond near before after since until than like as"""
_AND_THAT = "and but or nor so yet because although though while when where which who whom whose that if unless"
_IS_HAS = """is am are was were be been being has have had do does did will would shall should can could may might must
    i'm you're he's she's it's we're they're i've you've we've they've i'll you'll he'll she'll we'll they'll not"""
_DETERMINERS = frozenset(_A_THE.split())
_TITLES = frozenset(_MR.split())
_PREPOSITIONS = frozenset(_OF_IN.split())
_CONJUNCTIONS = frozenset(_AND_THAT.split())
_AUXILIARIES = frozenset(_IS_HAS.split())
_PRONOUNS = frozenset(("i", "you", "he", "she", "it", "we", "they"))


def break_cost(before: str, following: str) -> float:
    """What a break between two written words costs: 0 at the end of a sentence, 2 at a comma, 20 after an article."""
    mark = before.rstrip(_CLOSING)[-1:]
    if mark in SENTENCE_END and mark:
        return 0.0
    if mark in (";", ":"):
        return 1.0
    if mark == ",":
        return 2.0
    word, after = before.lower().strip(".,;:?!\"'"), following.lower().strip(".,;:?!\"'")
    if is_weak_end(before):
        return 20.0
    if word in _PREPOSITIONS or word in _CONJUNCTIONS:
        return 12.0
    if word in _AUXILIARIES or word in _PRONOUNS:
        return 11.0
    if after in _CONJUNCTIONS:
        return 4.0
    if after in _PREPOSITIONS:
        return 5.0
    if after in _AUXILIARIES:
        return 7.0
    if before[:1].isupper() and following[:1].isupper():
        return 13.0  # names stay together
    if before[:1].isdigit() or following[:1].isdigit():
        return 10.0
    return 8.0


def is_weak_end(word: str) -> bool:
    """Whether no line should end in a word: articles, possessives, titles before names."""
    if word[-1:] in (",", ";", "?", "!"):
        return False
    plain = word.lower().strip(".,;:?!\"'")
    return (plain in _DETERMINERS and word[-1:] != ".") or (plain in _TITLES and word[:1].isupper())
