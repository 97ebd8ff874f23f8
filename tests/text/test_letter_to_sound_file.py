"""Letter-to-sound models in files, pruned, and with more than one pronunciation."""

import itertools
import math
import random

import numpy as np
import pytest

from asr._native import Pronouncer
from asr.errors import TextError
from asr.shipped import model_folder
from asr.text.letter_to_sound import END, START, LetterToSound
from asr.text.letter_to_sound_file import read_letter_to_sound, write_letter_to_sound
from asr.text.lexicon import Lexicon
from asr.text.spelling import Speller
from asr.text.tokens import Tokens

SOUNDS = {"a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "s": "S", "t": "T", "x": "K S"}


@pytest.fixture(scope="module")
def dictionary():
    """Words whose c is S before e, and whose e at the end is silent."""
    draw = random.Random(1)
    words = {}
    for _ in range(600):
        word = "".join(draw.choices(list(SOUNDS), k=draw.randint(2, 6)))
        phones = []
        for place, letter in enumerate(word):
            following = word[place + 1 : place + 2]
            if letter == "c" and following == "e":
                phones.append("S")
            elif not (letter == "e" and not following):
                phones += SOUNDS[letter].split()
        if phones:
            words[word] = [tuple(phones)]
    return words


def test_a_model_read_again_says_the_same(dictionary, tmp_path):
    for rare in ((), (1, 1, 2, 2)):
        model = LetterToSound.train(dictionary, 4, rare)
        write_letter_to_sound(tmp_path / "m.xz", model)
        again = read_letter_to_sound(tmp_path / "m.xz")
        for word in ("cebaxe", "tacd", "ecaca", "xx", "dea"):
            assert model.pronunciations(word, 5) == again.pronunciations(word, 5)
            assert model.pronounce(word) == again.pronounce(word)


def witten_bell(model, context, pair):
    """The probability of a pair after a context, straight from the counts."""
    lower = witten_bell(model, context[1:], pair) if context else 1e-6
    if context not in model.counts:
        return lower
    nexts, weight = model.counts[context], model.weights[context]
    return (nexts.get(pair, 0) + weight * lower) / (sum(nexts.values()) + weight)


def numbered(model):
    return {pair: number for number, pair in enumerate([START, *itertools.chain(*model.choices.values())])}


def test_probabilities_after_a_context_sum_to_one_even_when_rare_counts_are_dropped(dictionary):
    # Brute force: over all letters, what may follow a context has probability one.
    for rare in ((), (1, 1, 2, 3)):
        model = LetterToSound.train(dictionary, 4, rare)
        ids = numbered(model)
        for context in list(model.counts)[:200:7]:
            of_pairs = {
                pair: model._search.probability([ids[before] for before in context], ids[pair])
                for pair in itertools.chain(*model.choices.values())
            }
            assert of_pairs == {pair: witten_bell(model, context, pair) for pair in of_pairs}
            assert sum(of_pairs.values()) == pytest.approx(1.0, abs=1e-2)  # what no letter ever was is left out


@pytest.mark.parametrize("order", [1, 2, 4])
def test_without_pruning_the_search_finds_the_best_of_all_pronunciations(dictionary, order):
    model = LetterToSound.train(dictionary, order, (1, 1, 2, 2))
    for word in ("ce", "xcec", "tebd", "eac"):
        scores = {}
        for pairs in itertools.product(*(model.choices[letter] for letter in word), [END]):
            sequence = (START, *pairs)
            score = sum(
                math.log(witten_bell(model, sequence[max(0, place - order + 1) : place], sequence[place]))
                for place in range(1, len(sequence))
            )
            phones = tuple(phone for _, said in pairs for phone in said)
            scores.setdefault(phones, []).append(score)
        found = model._search.best([model._letters[letter] for letter in (*word, END[0])], 100_000)
        assert [score for score, _ in found] == pytest.approx(sorted(itertools.chain(*scores.values()), reverse=True))
        best = max(scores, key=lambda phones: max(scores[phones]))
        assert tuple(model._phones[phone] for phone in found[0][1]) == best == model.pronounce(word)


def test_of_equally_probable_pronunciations_the_first_by_name_comes_first():
    model = LetterToSound.train({"ac": [("A", "S")], "bc": [("B", "K")]}, 1)
    assert model.pronunciations("ac", 2) == [("A", "K"), ("A", "S")]


def test_several_pronunciations_come_best_first_and_end_when_they_are_unlikely():
    dictionary = {f"{first}c": [(first.upper(), second)] for first, second in zip("abdefg", "KKKKSS", strict=True)}
    model = LetterToSound.train(dictionary, 1)
    assert model.pronunciations("ac", 3) == [("A", "K"), ("A", "S")]
    assert model.pronunciations("ac", 3, within=0.1) == [("A", "K")]
    assert model.pronunciations("ac", 1) == [("A", "K")]
    assert model.pronunciations("zz", 3) == []


@pytest.mark.parametrize("harm", [lambda data: data[:200], lambda data: b"text", lambda data: b"", bytes.swapcase])
def test_damaged_files_are_named(dictionary, tmp_path, harm):
    path = tmp_path / "m.xz"
    write_letter_to_sound(path, LetterToSound.train(dictionary, 3))
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(TextError, match=r"m\.xz"):
        read_letter_to_sound(path)
    with pytest.raises(TextError, match="does not exist"):
        read_letter_to_sound(tmp_path / "absent.xz")


def test_the_shipped_model_spells_words_as_people_write_them():
    folder = model_folder("english")
    tokens = Tokens.read(folder / "tokens.txt")
    lexicon = Lexicon({
        "nineteen": [("N", "AY", "N", "T", "IY", "N", "|")], "f": [("EH", "F", "|")], "b": [("B", "IY", "|")],
        "i": [("AY", "|")],
    })  # fmt: skip
    speller = Speller(tokens, lexicon, folder / "letter_to_sound.xz")
    assert ("N", "UW", "Y", "EH", "N", "|") not in speller.known("nguyen")
    assert speller.written("Dvořák", 1) == speller.written("dvorak", 1)
    ways = speller.written("COVID-19", 2)
    assert any(way[-7:] == ("N", "AY", "N", "T", "IY", "N", "|") for way in ways)
    assert any(way.count("|") == 1 for way in ways)
    assert any(way.count("|") == 2 for way in ways)
    assert ("B", "IY", "AY", "EH", "F", "|") in speller.written("BIF", 2)
    assert ("B", "IY", "AY", "EH", "F", "|") not in speller.written("Bif", 2)
    with pytest.raises(TextError, match="no letters"):
        speller.written("!?", 2)


@pytest.mark.parametrize(
    "change",
    [
        {"order": 0}, {"start": 1}, {"letters": [-1]}, {"phone_starts": [0, 2]}, {"next_pairs": [7]},
        {"context_pairs": [1], "context_starts": [0, 1]}, {"weights": [0.0], "totals": [0.0]},
        {"totals": [float("nan")]}, {"next_starts": [0, 2]}, {"next_counts": [-1.0]}, {"next_counts": [1.0, 1.0]},
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_each_other_are_refused(change):
    whole = {
        "order": 2, "start": 0, "letters": [0], "phone_starts": [0, 1], "phones": [0], "context_starts": [0, 0],
        "context_pairs": [], "weights": [1.0], "totals": [1.0], "next_starts": [0, 1], "next_pairs": [0],
        "next_counts": [1.0],
    }  # fmt: skip
    kinds = {"letters": np.int32, "phones": np.int32, "context_pairs": np.int32, "next_pairs": np.int32,
             "weights": np.float64, "totals": np.float64, "next_counts": np.float64}  # fmt: skip

    def made(parts):
        arrays = {
            name: value if isinstance(value, int) else np.array(value, kinds.get(name, np.int64))
            for name, value in parts.items()
        }
        return Pronouncer(**arrays)

    assert made(whole).best([0], 1)[0][1] == [0]
    with pytest.raises(ValueError, match=r"fit each other|no counts"):
        made(whole | change)
    with pytest.raises(ValueError, match="no such letter"):
        made(whole).best([1], 1)
