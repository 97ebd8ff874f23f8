from __future__ import annotations

import lzma

import pytest

from asr.errors import TextError
from asr.text.letter_to_sound import LetterToSound
from asr.text.letter_to_sound_file import read_letter_to_sound
from asr.text.lexicon import read_cmudict
from asr.text.pronounce import possessive, pronounce

DICTIONARY = {
    "cat": [("K", "AE", "T")], "dog": [("D", "AO", "G")], "box": [("B", "AA", "K", "S")], "bee": [("B", "IY")],
    "the": [("DH", "AH"), ("DH", "IY"), ("DH", "AX")], "cod": [("K", "AO", "D")], "tab": [("T", "AE", "B")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("cat's", "K AE T S"), ("dog's", "D AO G Z"), ("box's", "B AA K S IH Z"), ("bee's", "B IY Z"),
        ("cat'", "K AE T"), ("cow's", None), ("cat", None), ("'s", None),
    ],
)  # fmt: skip
def test_possessives_follow_their_noun(word, phones):
    assert possessive(word, DICTIONARY) == (None if phones is None else tuple(phones.split()))


def test_dictionary_possessives_and_letter_to_sound_are_used_in_this_order():
    notes, steps = [], []
    result = pronounce(
        ["the", "cat's", "cob", "zoo", "the"], DICTIONARY, 2, notes.append, lambda *step: steps.append(step)
    )
    assert result.pronunciations == {
        "the": [("DH", "AH"), ("DH", "IY")],
        "cat's": [("K", "AE", "T", "S")],
        "cob": [("K", "AO", "B")],
    }
    assert (result.by_rule, result.without) == (2, ["zoo"])
    assert len(notes) == 1
    assert steps[-1] == (3, 3)


def test_nothing_is_trained_where_the_dictionary_has_every_word(monkeypatch):
    monkeypatch.setattr(LetterToSound, "train", None)
    assert pronounce(["cat"], DICTIONARY).pronunciations == {"cat": DICTIONARY["cat"]}


def test_the_rule_for_possessives_agrees_with_the_dictionary(data):
    """CMUdict lists 6,309 possessives of its nouns: 94.6% have the pronunciation of the rule among theirs.

    It writes the vowel of the ending as AH or as IH, which counts as the same here.
    """
    entries = read_cmudict(data / "text/lexicon/cmudict.dict")
    listed = [word for word in entries if word.endswith("'s") and word[:-2] in entries]
    endings = {word: [(*way[:-2], way[-2].replace("AH", "IH"), way[-1]) for way in entries[word]] for word in listed}
    agreeing = sum(possessive(word, entries) in endings[word] + entries[word] for word in listed)
    assert len(listed) > 6000
    assert agreeing / len(listed) > 0.94


def test_a_file_that_unpacks_to_far_more_or_is_damaged_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("asr.unpacking.ALWAYS_ALLOWED", 1 << 20)
    (tmp_path / "big").write_bytes(lzma.compress(bytes(8 << 20)))
    with pytest.raises(TextError, match="ASR_MAX_UNPACKED_MB"):
        read_letter_to_sound(tmp_path / "big")
    for content in (b"", b"text", lzma.compress(b"PK\x03\x04 no archive"), lzma.compress(b"text")[:-3]):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(TextError, match="bad"):
            read_letter_to_sound(tmp_path / "bad")
