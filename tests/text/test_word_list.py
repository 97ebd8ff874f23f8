from __future__ import annotations

import random

import numpy as np
import pytest

from asr.errors import TextError
from asr.text.word_list import SLOTS, STARTS, TEXT, WordList


def _drawn(seed: int, longest: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices("abö", k=rng.randrange(longest))) for _ in range(3000)]


def test_a_word_list_answers_as_a_list_and_a_dict_do() -> None:
    words, others = _drawn(1, 6), _drawn(2, 7)
    listed = WordList.of(words)
    assert len(listed) == len(words)
    assert list(listed) == words
    assert [listed[number] for number in range(len(words))] == words
    assert (listed[-1], listed[5:900:7]) == (words[-1], words[5:900:7])
    ids = {word: number for number, word in enumerate(words)}  # of equal words the last counts
    assert [listed.get(word) for word in others] == [ids.get(word, -1) for word in others]
    assert [word in listed for word in others] == [word in ids for word in others]
    assert listed.get("nowhere", 7) == 7
    assert listed.numbers(WordList.of(others)).tolist() == [ids.get(word, -1) for word in others]
    for number in (len(words), -len(words) - 1):
        with pytest.raises((IndexError, TypeError)):
            listed[number]


def test_a_word_list_from_arrays_is_the_same() -> None:
    listed = WordList.of(["b", "a", "ö"])
    again = WordList(listed.arrays | {"other": np.zeros(1)})
    assert again == listed
    assert again != WordList.of(["b", "a"])
    assert again.arrays.keys() == listed.arrays.keys()
    assert [again.get(word) for word in "abö"] == [1, 0, 2]


def test_an_empty_list_has_no_words() -> None:
    empty = WordList.of([])
    assert (len(empty), list(empty), empty.get(""), "a" in empty) == (0, [], -1, False)
    assert WordList(empty.arrays) == empty
    assert empty.numbers(WordList.of(["a"])).tolist() == [-1]
    assert WordList.of(["a"]).numbers(empty).tolist() == []
    assert list(WordList.of([""])) == [""]


def test_words_with_line_breaks_are_refused() -> None:
    with pytest.raises(TextError, match="line break"):
        WordList.of(["a", "b\nc"])


@pytest.mark.parametrize(
    "harm",
    [
        {STARTS: np.array([0, 2, 5], np.int32)},  # past the text's end
        {STARTS: np.array([0, 3, 2, 6], np.int32)},
        {STARTS: np.array([1, 2, 6], np.int32)},
        {STARTS: np.zeros(0, np.int32)},
        {TEXT: np.frombuffer(b"a", np.uint8)},
        {SLOTS: np.array([0, 1, 2, -1], np.int32)},  # there is no third word
        {SLOTS: np.array([0, -2, 1, -1], np.int32)},
        {SLOTS: np.array([0, 1], np.int32)},  # a search for what is not there would not end
        {SLOTS: np.array([0, 1, -1], np.int32)},
        {SLOTS: np.zeros(0, np.int32)},
    ],
)
def test_damaged_arrays_are_refused(harm: dict[str, np.ndarray]) -> None:
    arrays = WordList.of(["ab", "cd"]).arrays
    with pytest.raises(TextError, match="damaged"):
        WordList(arrays | harm)
