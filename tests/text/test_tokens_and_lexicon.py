from __future__ import annotations

import gzip

import pytest

from asr.errors import TextError
from asr.text.letter_to_sound import LetterToSound
from asr.text.lexicon import Lexicon, read_cmudict, with_boundary
from asr.text.tokens import WORD_START, Tokens


def test_characters_encode_and_join_again():
    tokens = Tokens.characters()
    ids = tokens.encode("he's it")
    assert tokens.names[:2] == ("<blank>", "|")
    assert tokens.join(ids) == "he's it"
    assert ids[-1] == tokens.boundary


def test_a_token_file_survives_writing_and_reading(tmp_path):
    tokens = Tokens(["<blank>", "|", "AA", "B"])
    (tmp_path / "tokens.txt").write_text(tokens.to_text())
    again = Tokens.read(tmp_path / "tokens.txt")
    assert again.names == tokens.names
    assert again.digest == tokens.digest
    assert not again.are_characters
    assert again.join([2, 3, 1, 2]) == "AA B AA"


def test_a_character_without_a_token_is_named():
    with pytest.raises(TextError, match="'é'"):
        Tokens.characters().encode("caf\u00e9")


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a", "<blank>"], "first token"), (["<blank>", "a", "a"], "more than once"), (["<blank>", ""], "empty")],
)
def test_impossible_token_sets_are_named(names, message):
    with pytest.raises(TextError, match=message):
        Tokens(names)


def test_a_lexicon_survives_writing_and_reading_with_its_variants(tmp_path):
    lexicon = Lexicon({"a": [("AH", "|"), ("EY", "|")], "bee": [("B", "IY", "|")]})
    for name in ("lexicon.txt", "lexicon.txt.gz"):
        data = lexicon.to_text().encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        assert Lexicon.read(tmp_path / name).spellings == lexicon.spellings
    assert lexicon.encode("bee a", Tokens(["<blank>", "|", "AH", "B", "EY", "IY"])) == [3, 5, 1, 2, 1]


def test_bad_lexicon_lines_are_named_with_their_number(tmp_path):
    (tmp_path / "l.txt").write_text("a\tAH |\nbee B IY |\n")
    with pytest.raises(TextError, match="line 2"):
        Lexicon.read(tmp_path / "l.txt")
    (tmp_path / "l.txt").write_text("")
    with pytest.raises(TextError, match="empty"):
        Lexicon.read(tmp_path / "l.txt")


def test_words_outside_the_lexicon_and_spellings_outside_the_tokens_are_named():
    lexicon = Lexicon({"a": [("AH",)]})
    with pytest.raises(TextError, match="'bee'"):
        lexicon.encode("a bee", Tokens(["<blank>", "AH"]))
    with pytest.raises(TextError, match="'AH'"):
        lexicon.encode("a", Tokens(["<blank>", "B"]))


DICTIONARY = """\
# comment
bat B AE1 T
bats B AE1 T S
cat K AE1 T
cats K AE1 T S
chat CH AE1 T
ox AA1 K S
box B AA1 K S
the DH AH0 # comment
the(2) DH IY0
tab T AE1 B
tabs T AE1 B Z
a.b. EY1 B IY1
"""


def test_a_dictionary_is_read_without_stress_and_with_variants(tmp_path):
    (tmp_path / "d.dict").write_text(DICTIONARY)
    entries = read_cmudict(tmp_path / "d.dict")
    assert entries["the"] == [("DH", "AH"), ("DH", "IY")]
    assert entries["cats"] == [("K", "AE", "T", "S")]
    assert "a.b." not in entries
    assert with_boundary(entries).spellings["ox"] == [("AA", "K", "S", "|")]


def test_letter_to_sound_pronounces_words_it_never_saw(tmp_path):
    (tmp_path / "d.dict").write_text(DICTIONARY)
    rules = LetterToSound.train(read_cmudict(tmp_path / "d.dict"), order=3)
    assert rules.pronounce("tat") == ("T", "AE", "T")
    assert rules.pronounce("cab") == ("K", "AE", "B")
    assert rules.pronounce("tox") == ("T", "AA", "K", "S")
    assert rules.pronounce("zebra") is None


def test_letter_to_sound_learns_english(data):
    """Half of unseen dictionary words right from a tenth of the dictionary; chance is none."""
    entries = read_cmudict(data / "text/lexicon/cmudict.dict")
    words = sorted(entries)
    rules = LetterToSound.train({word: entries[word] for word in words[::10]})
    held = words[5::1000]
    said = {word: rules.pronounce(word) for word in held}
    assert sum(said[word] in entries[word] for word in held) / len(held) > 0.4
    assert said == {word: rules.pronounce(word) for word in [*held[1::2], *held[::-1]]}  # whatever was asked before


def test_subwords_spell_words_in_as_few_as_may_be_and_join_them_again():
    tokens = Tokens(["<blank>", *(WORD_START + name for name in ("", "a", "ab", "c")), "a", "b", "c", "bc", "abc"])
    assert tokens.kind == "subwords"
    names = [[tokens.names[index] for index in tokens.spell(word)] for word in ("abc", "aabc", "ca", "bb")]
    assert names == [
        [f"{WORD_START}ab", "c"],
        [f"{WORD_START}a", "abc"],
        [f"{WORD_START}c", "a"],
        [WORD_START, "b", "b"],
    ]
    assert tokens.spell("abd") is None
    text = "abc aabc ca bb a"
    ids = tokens.encode(text)
    assert tokens.join(ids) == text
    assert [(word, end - first) for word, first, end in tokens.split(ids)] == [
        ("abc", 2), ("aabc", 2), ("ca", 2), ("bb", 3), ("a", 1)
    ]  # fmt: skip
    assert tokens.split([tokens.ids["b"], tokens.ids[WORD_START], tokens.ids[f"{WORD_START}a"]]) == [
        ("b", 0, 1),
        ("a", 2, 3),
    ]


def test_words_of_characters_and_phones_end_at_the_boundary():
    characters, phones = Tokens.characters("abc"), Tokens(["<blank>", "|", "AA", "B"])
    assert (characters.kind, phones.kind) == ("characters", "phones")
    assert characters.split([1, 2, 3, 1, 1, 4]) == [("ab", 1, 3), ("c", 5, 6)]
    assert phones.split([2, 3, 1, 3]) == [("AA B", 0, 2), ("B", 3, 4)]
    assert characters.split([]) == []
    assert [tokens.spells_words for tokens in (characters, phones)] == [True, False]
    assert [tokens.marks_words for tokens in (characters, phones, Tokens(["<blank>", "a"]))] == [True, False, False]
