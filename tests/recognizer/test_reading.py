"""Marks, capitals and figures on words of the search."""

from __future__ import annotations

import pytest

from asr.errors import ConfigError
from asr.recognizer.reading import for_reading, paragraphs, text_of
from asr.recognizer.transcript import Word


class Tagger:
    """Sets the marks that a test asks for, by word; capitals of names."""

    class config:
        outputs = {"mark": ["", ",", ".", "?", "!", ";"], "case": ["lower", "capital", "upper"]}  # noqa: RUF012

    def __init__(self, marks: dict[str, str], names: tuple[str, ...] = ()) -> None:
        self.marks, self.names, self.asked = marks, names, []

    def tag(self, words, pauses=None):
        self.asked.append((list(words), list(pauses)))
        return {
            "mark": [self.marks.get(word, "") for word in words],
            "case": ["capital" if word in self.names else "lower" for word in words],
        }


def timed(text: str, gaps: dict[str, float] | None = None) -> list[Word]:
    words, at = [], 0.0
    for word in text.split():
        words.append(Word(word, at, at + 0.3, 0.9))
        at += 0.35 + (gaps or {}).get(word, 0.0)
    return words


def test_marks_and_figures_move_no_word_and_no_time():
    words = timed("mister king paid three dollars and fifty cents in nineteen eighty four did he")
    read = for_reading(words, Tagger({"four": ".", "he": "?"}, ("king", "mister")))
    assert text_of(read) == "Mr. King paid $3.50 in 1984. Did he?"
    assert [(w.word, w.start, w.end, w.confidence) for w in read] == [
        (w.word, w.start, w.end, w.confidence) for w in words
    ]
    spelled = for_reading(words, Tagger({"four": ".", "he": "?"}, ("king", "mister")), "words")
    assert text_of(spelled) == "Mr. King paid three dollars and fifty cents in nineteen eighty four. Did he?"
    with pytest.raises(ConfigError, match="digits or words"):
        for_reading(words, Tagger({}), "roman")


def test_a_number_ends_at_a_mark_or_a_pause():
    assert text_of(for_reading(timed("we saw twenty five left"), Tagger({"twenty": ","}))) == "We saw 20, five left"
    paused = timed("we saw twenty five left", {"twenty": 1.0})
    assert text_of(for_reading(paused, Tagger({}))) == "We saw 20 five left"
    scaled = timed("for ten thousand five hundred pounds")
    assert text_of(for_reading(scaled, Tagger({"thousand": ","}))) == "For 10,500 pounds"


def test_pauses_are_those_between_words_of_one_channel():
    words = [
        Word("yes", 0.0, 0.4, 1.0, channel=1), Word("no", 0.5, 0.8, 1.0, channel=2),
        Word("sir", 1.0, 1.4, 1.0, channel=1),
    ]  # fmt: skip
    tagger = Tagger({"sir": ".", "no": "."})
    assert [word.display for word in for_reading(words, tagger)] == ["Yes", "No.", "sir."]
    (first, first_pauses), (second, _) = tagger.asked
    assert (first, second) == (["yes", "sir"], ["no"])
    assert first_pauses[0] == pytest.approx(0.6)
    assert first_pauses[1] != first_pauses[1]  # not known


def test_paragraphs_end_with_sentences_at_pauses():
    words = for_reading(
        timed("he left they stayed then", {"left": 2.0, "stayed": 0.2}), Tagger({"left": ".", "stayed": "."})
    )
    assert [text_of(part) for part in paragraphs(words)] == ["He left.", "They stayed. Then"]
    long = for_reading(timed("a b " * 200), Tagger({"b": "."}))
    assert all(len(part) <= 162 for part in paragraphs(long))
    assert sum(map(len, paragraphs(long))) == 400
    assert paragraphs([]) == []
    assert len(paragraphs(timed("no marks at all " * 100, {"all": 3.0}))) == 1
