"""Subtitles against the rules, for synthetic speech of many kinds; and the check itself, rule by rule."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from asr.errors import ConfigError
from asr.recognizer.subtitle_rules import RULES, breaches
from asr.recognizer.subtitles import Cue, SubtitleStyle, cues
from asr.recognizer.transcript import Word
from asr.text.phrases import break_cost, is_weak_end

NOUNS = """house river garden morning letter window captain evening village mountain question answer children history
    winter silence market harbour soldier teacher machine picture"""
SMALL = "the a of to in and with from that was is it he she they his her under because when"
CONTENT, GLUE = NOUNS.split(), SMALL.split()


def spoken(seed: int, count: int, marks: bool, letters_per_second: float = 15.0) -> tuple[Word, ...]:
    """Words of made-up speech, with pauses that are longer at marks."""
    draw = random.Random(seed)
    words: list[Word] = []
    at, left = 0.3, draw.randint(2, 22)
    begins = True
    for _ in range(count):
        word = draw.choice(GLUE if draw.random() < 0.5 else CONTENT)
        left -= 1
        ended = left <= 0 and word in CONTENT
        mark = draw.choice(".?!") if ended else "," if draw.random() < 0.08 and word in CONTENT else ""
        end = at + max(0.06, len(word) / letters_per_second * draw.uniform(0.7, 1.2))
        shown = (word.capitalize() if begins else word) + mark
        words.append(Word(word, at, end, 1.0, display=shown if marks else None))
        at = (
            end + draw.uniform(0.0, 0.08) + (draw.uniform(0.2, 2.5) if ended else draw.uniform(0, 0.6) if mark else 0.0)
        )
        begins, left = ended, draw.randint(2, 22) if ended else left
    return tuple(words)


@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_subtitles_of_speech_break_no_rule(seed, marks):
    words = spoken(seed, 600, marks)
    assert breaches(cues(words), words) == []


@pytest.mark.parametrize("frame_rate", [23.976, 29.97, 50.0])
def test_times_lie_on_frames_of_any_rate(frame_rate):
    words, style = spoken(7, 300, True), SubtitleStyle(frame_rate=frame_rate)
    assert breaches(cues(words, style), words, style) == []


def test_speech_that_is_too_fast_is_shown_early_and_late_but_can_be_read():
    words = spoken(3, 200, True, letters_per_second=21.0)
    found = cues(words)
    assert {breach.rule for breach in breaches(found, words)} <= {"late", "early", "weak end"}
    assert all(len(cue.text) <= 20 * (cue.end - cue.start) + 1e-6 for cue in found)


def test_a_cue_ends_with_the_sentence_and_a_line_with_the_phrase():
    text = "She wrapped the shawl about her shoulders and once more ran down the steps. Then she was gone."
    words = tuple(Word(w.lower(), 0.4 * i, 0.4 * i + 0.35, 1.0, display=w) for i, w in enumerate(text.split()))
    assert [cue.text for cue in cues(words)] == [
        "She wrapped the shawl about her shoulders\nand once more ran down the steps.", "Then she was gone.",
    ]  # fmt: skip


def test_a_number_of_several_words_is_one_word_of_a_cue():
    words = (
        Word("twenty", 0.0, 0.4, 1.0, display="25"), Word("five", 0.4, 0.7, 1.0, display=""),
        Word("men", 0.8, 1.2, 1.0, display="men."),
    )  # fmt: skip
    (cue,) = cues(words)
    assert (cue.text, cue.first, cue.last) == ("25 men.", 0, 3)
    assert breaches([cue], words) == []


def test_channels_have_cues_of_their_own():
    words = (
        Word("hello", 0.0, 0.5, 1.0, channel=1), Word("there", 0.5, 1.0, 1.0, channel=1),
        Word("hello", 2.0, 2.5, 1.0, channel=2), Word("too", 2.5, 3.0, 1.0, channel=2),
    )  # fmt: skip
    found = cues(words)
    assert [cue.text for cue in found] == ["Channel 1: hello there", "Channel 2: hello too"]
    assert breaches(found, words) == []


def test_cues_keep_to_changes_of_the_picture():
    text = "We walked for hours. Nobody said a word."
    words = tuple(Word(w, 0.4 * i, 0.4 * i + 0.3, 1.0, display=w) for i, w in enumerate(text.split()))
    plain, shot = cues(words), cues(words, SubtitleStyle(shots=(1.56,)))
    assert [cue.text for cue in plain] == [text]
    assert [cue.text for cue in shot] == ["We walked for hours.", "Nobody said a word."]
    assert shot[1].start == pytest.approx(1.56)
    assert shot[0].end == pytest.approx(1.56 - 0.08)


@pytest.mark.parametrize("rest", [0.0, 0.013, 0.3, 5.0])
def test_no_cue_is_shown_after_the_end_of_the_recording(rest):
    words = spoken(5, 60, True)
    whole, duration = cues(words), words[-1].end + rest
    found = cues(words, duration=duration)
    assert duration >= found[-1].end > duration - rest - 0.04
    assert [cue.text for cue in found] == [cue.text for cue in whole]
    assert {breach.rule for breach in breaches(found, words)} <= {"early"}  # a last one that could not be read else
    assert found[-1].end <= whole[-1].end
    assert cues(words, duration=1.0) == whole  # a length that is not known


def test_nothing_said_has_no_cues():
    assert cues(()) == []
    assert breaches([], ()) == []
    with pytest.raises(ConfigError, match="one or two lines"):
        SubtitleStyle(lines=3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_impossible_rates_and_times_are_refused_before_any_work_is_done(value):
    with pytest.raises(ConfigError, match="rate of characters"):
        SubtitleStyle(frame_rate=value)
    with pytest.raises(ConfigError, match="changes of the picture"):
        SubtitleStyle(shots=(1.0, value))


COUNT = "one two three four five six"
WORDS = tuple(Word(word, 0.5 * place, 0.5 * place + 0.4, 1.0) for place, word in enumerate(COUNT.split()))
GOOD = [Cue(0.0, 1.4, "one two three", 0, 3), Cue(1.48, 3.0, "four five six", 3, 6)]
LONG = "x" * 43


def test_the_check_accepts_good_cues():
    assert breaches(GOOD, WORDS) == []


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("order", ({"start": 4.0, "end": 6.0}, {})),
        ("positive", ({"end": -1.0}, {})),
        ("gap", ({"end": 1.44}, {})),
        ("flicker", ({"end": 1.2}, {})),
        ("lines", ({"text": "one\ntwo\nthree"}, {})),
        ("width", ({"text": LONG, "end": 3.0}, {})),
        ("empty", ({"text": "one two three\n"}, {})),
        ("shortest", ({"end": 0.8}, {})),
        ("longest", ({}, {"end": 9.0})),
        ("speed", ({"text": "one two three four five six seven"}, {})),
        ("words", ({"text": "one two"}, {})),
        ("spaces", ({"text": "one  two three"}, {})),
        ("one line", ({"text": "one\ntwo three"}, {})),
        ("orphan line", ({"text": "one\ntwo three"}, {})),
        ("orphan cue", ({"text": "one", "last": 1}, {})),
        ("weak end", ({"text": "one two the"}, {})),
        ("new sentence", ({"text": "one two. three"}, {})),
        ("early", ({}, {"start": 0.6, "first": 3})),
        ("late", ({}, {"start": 2.6, "end": 4.2})),
        ("frames", ({"end": 1.37}, {})),
    ],
)
def test_the_check_notices_each_broken_rule(rule, changes):
    broken = [replace(cue, **change) for cue, change in zip(GOOD, changes, strict=True)]
    assert rule in {breach.rule for breach in breaches(broken, WORDS)}


def test_the_check_notices_a_long_pause_in_a_cue():
    words = (WORDS[0], replace(WORDS[1], start=3.0, end=3.4))
    assert [breach.rule for breach in breaches([Cue(0.0, 3.8, "one two", 0, 2)], words)] == ["pause"]
    assert len(RULES) == 21


def test_lines_break_at_marks_rather_than_within_phrases():
    costs = [
        break_cost("said.", "Then"), break_cost("said,", "then"), break_cost("house", "and"),
        break_cost("old", "house"), break_cost("of", "houses"), break_cost("the", "house"),
    ]  # fmt: skip
    assert costs == sorted(costs)
    assert is_weak_end("the")
    assert is_weak_end("Mr.")
    assert not is_weak_end("her,")
    assert not is_weak_end("house")


def test_a_word_wider_than_a_line_is_not_followed_by_an_empty_one():
    words = [Word("x" * 50, 0.0, 3.0, 1.0), Word("more", 9.0, 9.5, 1.0)]
    assert [cue.text for cue in cues(words)] == ["x" * 50, "more"]
