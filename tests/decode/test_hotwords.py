"""Hotwords as users write them, and the tree that grows by them."""

import numpy as np
import pytest

from asr.decode.hotwords import (
    HOTWORD_BOOST,
    NEW_WORD_BOOST,
    Hotword,
    WrittenForms,
    as_hotwords,
    parse_hotword,
    read_hotwords,
)
from asr.decode.search.trie import build_trie, extended_trie
from asr.decode.vocabulary import open_vocabulary, with_hotwords
from asr.errors import ConfigError, TextError
from asr.text.lexicon import Lexicon
from asr.text.spelling import Speller
from asr.text.tokens import Tokens

TOKENS = Tokens(["<blank>", "|", "K", "N", "EY", "Z"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kneser", Hotword("Kneser")),
        ("Kneser  Ney=4", Hotword("Kneser Ney", 4.0)),
        ("Kneser=-2.5=k n ey z", Hotword("Kneser", -2.5, ("k n ey z",))),
        ("Kneser=K EY=n ey", Hotword("Kneser", None, ("K EY", "n ey"))),
        ("Kneser Ney = k n ey z | n ey |", Hotword("Kneser Ney", None, ("k n ey z | n ey |",))),
    ],
)
def test_a_hotword_has_a_phrase_a_boost_and_pronunciations(text, expected):
    assert parse_hotword(text) == expected
    assert parse_hotword(text.replace("=", "\t"), "\t") == expected


@pytest.mark.parametrize("text", ["", "=3", "a=3=4", "a=nan", "a=inf", "a b=k n", "a=k | n"])
def test_what_is_no_hotword_is_refused(text, tmp_path):
    with pytest.raises(ConfigError):
        parse_hotword(text)
    (tmp_path / "h.txt").write_text(f"good\n{text.replace('=', chr(9)) or chr(9) + '3'}\n")
    with pytest.raises(ConfigError, match="line 2"):
        read_hotwords(tmp_path / "h.txt")


@pytest.mark.parametrize("given", [("caf\udce9",), {"\ud800": 3.0}, {"a b\udfff": None}])
def test_half_characters_and_bytes_of_another_encoding_are_refused(given):
    with pytest.raises(TextError, match="UTF-8"):
        as_hotwords(given)


def test_a_file_and_repeated_phrases_are_joined(tmp_path):
    (tmp_path / "h.txt").write_text("# names\n\nKneser\t\tk n\nKneser\t5\tk ey\nNey\n")
    assert as_hotwords(read_hotwords(tmp_path / "h.txt")) == (
        Hotword("Kneser", 5.0, ("k n", "k ey")), Hotword("Ney"),
    )  # fmt: skip
    assert as_hotwords({"a": 2.0}) == (Hotword("a", 2.0),)
    assert as_hotwords(["a b", "a  b"]) == (Hotword("a b"),)
    with pytest.raises(ConfigError, match="a list of phrases"):
        as_hotwords("kneser")


def test_phrases_are_written_as_the_user_does_and_other_words_as_they_are():
    forms = WrittenForms(
        {("bill", "gates"): ["Bill", "Gates"], ("bill",): ["bill"], ("gates", "bill"): ["GATES", "bill"]}
    )
    assert forms.applied(["the", "bill", "for", "bill", "gates", "and", "gates", "bill", "gates"]) == (
        ["the", "bill", "for", "Bill", "Gates", "and", "GATES", "bill", "gates"]
    )
    assert not WrittenForms({("a",): ["a"]})


@pytest.mark.parametrize("seed", range(5))
def test_a_tree_grows_to_what_it_would_be_if_it_were_built_of_all_spellings(seed):
    random = np.random.default_rng(seed)
    names = TOKENS.names[1:]
    spellings = {
        f"w{number}": [tuple(random.choice(names, random.integers(1, 5))) for _ in range(random.integers(1, 3))]
        for number in range(30)
    }
    first = dict(list(spellings.items())[:20])
    arrays, words = build_trie(Lexicon(first), TOKENS)
    index = {word: number for number, word in enumerate([*words, *list(spellings)[20:]])}
    added = [
        (index[word], [TOKENS.ids[name] for name in way])
        for word, ways in list(spellings.items())[20:]
        for way in dict.fromkeys(ways)
    ]
    grown = extended_trie(arrays, added)
    whole, _ = build_trie(Lexicon(spellings), TOKENS)
    assert _paths(grown) == _paths(whole)
    grown.compiled(len(TOKENS), len(index))


def _paths(arrays, node=0, path=()):
    """All pairs of a path of tokens and a word that ends there."""
    found = {(path, int(word)) for word in arrays.words[arrays.word_starts[node] : arrays.word_starts[node + 1]]}
    for place in range(arrays.child_starts[node], arrays.child_starts[node + 1]):
        found |= _paths(arrays, place + 1, (*path, int(arrays.child_tokens[place])))
    return found


class _Spelling:
    """Says every word alike."""

    def written(self, word, most):
        return [("Z", "EY", "|")]


def test_words_take_the_case_of_the_lexicon_and_added_pronunciations_join_known_ones():
    for change in (str.lower, str.upper):
        lexicon = Lexicon({change("ney"): [("N", "EY", "|")], change("kay"): [("K", "EY", "|")]})
        own = open_vocabulary(TOKENS, lexicon, None)
        speller = Speller(TOKENS, lexicon)
        grown = with_hotwords(
            own, as_hotwords([Hotword("Kneser Ney", 2.0, ("k n ey z | n ey z",)), "Kay"]), TOKENS, speller, None
        )
        assert grown.vocabulary.words == [*own.words, change("kneser")]
        assert len(grown.vocabulary.arrays.words) == 4
        assert grown.written.applied([change("kay"), change("kneser"), change("ney"), change("ney")]) == [
            "Kay", "Kneser", "Ney", change("ney"),
        ]  # fmt: skip
        with pytest.raises(TextError, match="'q' is no token"):
            with_hotwords(own, [Hotword("x", 1.0, ("q",))], TOKENS, speller, None)
    gains = with_hotwords(own, as_hotwords(["Ney", "Zen Kay", Hotword("Nez", 1.0)]), TOKENS, _Spelling(), None).arrays
    assert sorted(gains.won.tolist()) == [0.0, 0.0, 1.0, HOTWORD_BOOST, NEW_WORD_BOOST]
    same = with_hotwords(own, as_hotwords(["ney"]), TOKENS, speller, None)
    assert same.vocabulary is own


def test_ten_thousand_phrases_need_memory_in_proportion_to_their_words():
    words = [f"w{number}" for number in range(3000)]
    lexicon = Lexicon({word: [("K", "N", "|")] for word in words})
    own = open_vocabulary(TOKENS, lexicon, None)
    random = np.random.default_rng(0)
    phrases = {" ".join(random.choice(words, 3)) for _ in range(10_000)}
    arrays = with_hotwords(own, as_hotwords(sorted(phrases)), TOKENS, Speller(TOKENS, lexicon), None).arrays
    assert sum(array.nbytes for array in arrays[:-1]) < 60 * 3 * len(phrases)
    arrays.compiled()
