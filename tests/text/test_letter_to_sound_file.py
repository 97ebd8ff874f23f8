"""Letter-to-sound models in files, pruned, and with more than one pronunciation."""

import random

import pytest

from asr.errors import TextError
from asr.shipped import model_folder
from asr.text.letter_to_sound import LetterToSound
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


def test_probabilities_after_a_context_sum_to_one_even_when_rare_counts_are_dropped(dictionary):
    # Brute force: over all letters, what may follow a context has probability one.
    for rare in ((), (1, 1, 2, 3)):
        model = LetterToSound.train(dictionary, 4, rare)
        for context in list(model.counts)[:200:7]:
            total = sum(sum(model._distribution(context, letter)) for letter in model.choices)
            assert total == pytest.approx(1.0, abs=1e-2)  # what no letter ever was is left out


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
