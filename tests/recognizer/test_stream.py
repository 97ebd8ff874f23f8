"""Words while they are spoken."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.audio.pauses import LoudnessPauses
from asr.audio.read import read_audio, resample
from asr.audio.source import to_mono
from asr.backends.stream import Chunks
from asr.decode.hypothesis import Hypothesis
from asr.errors import AudioError, ConfigError
from asr.recognizer.endpoint import Endpointer
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.stream import PartialWords, StreamSettings, Utterance
from tests.conftest import speech_like

SPEECH = Path(__file__).parents[1] / "speech" / "hello.flac"
RATE, FRAME = 16000, 0.03


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.load(neural_lm="none", threads=1)


@pytest.fixture(scope="module")
def hello():
    return read_audio(SPEECH)


@pytest.fixture(scope="module")
def twice(hello):
    """The same said twice, with a second of silence after each."""
    silence = np.zeros(RATE, np.float32)
    return np.concatenate([hello, silence, hello, silence])


def _events(stream, samples, sizes):
    events, place, turn = [], 0, 0
    while place < len(samples):
        events += stream.push(samples[place : place + sizes[turn % len(sizes)]])
        place, turn = place + sizes[turn % len(sizes)], turn + 1
    return [*events, *stream.finish()]


@pytest.fixture(scope="module")
def events(recognizer, twice):
    return _events(recognizer.stream(RATE), twice, [len(twice)])


def test_utterances_end_at_silence_with_the_words_of_the_file(events, recognizer, hello, twice):
    utterances = [event for event in events if isinstance(event, Utterance)]
    assert len(utterances) == 2
    alone = recognizer.transcribe(np.concatenate([hello, twice[len(hello) :][: RATE // 2]]), rate=RATE)
    assert utterances[0].text == alone.text
    gap = len(hello) / RATE
    assert gap < utterances[0].end < gap + 1
    assert utterances[1].start == utterances[0].end
    assert 2 * gap + 1 < utterances[1].end < 2 * gap + 2
    for utterance in utterances:
        assert all(utterance.start <= word.start < word.end <= utterance.end for word in utterance.words)
        assert all(0 <= word.confidence <= 1 for word in utterance.words)


def test_words_come_before_the_end_and_fixed_ones_stay(events):
    seen: tuple = ()
    partials = 0
    for event in events:
        if isinstance(event, Utterance):
            seen = ()
            continue
        partials += 1
        assert event.words[: len(seen)] == seen
        assert event.fixed >= len(seen)
        seen = event.words[: event.fixed]
    assert partials > 6
    assert any(event.fixed for event in events if isinstance(event, PartialWords))


@pytest.mark.parametrize("sizes", [[1600], [37, 5000, 801], [40_000]])
def test_events_do_not_depend_on_the_blocks(recognizer, twice, events, sizes):
    assert _events(recognizer.stream(RATE), twice, sizes) == events


def test_without_the_second_pass_fixed_words_are_final(recognizer, twice):
    stream = recognizer.stream(RATE, StreamSettings(Chunks(0.24, 1.0, 0.24), fix_after=0.3, second_pass=False))
    fixed: tuple = ()
    ended = 0
    for event in _events(stream, twice, [3000]):
        if isinstance(event, PartialWords):
            fixed = event.words[: event.fixed]
        else:
            assert fixed
            assert tuple(replace(word, display=None) for word in event.words[: len(fixed)]) == fixed
            fixed, ended = (), ended + 1
    assert ended == 2


def test_a_word_is_shown_sooner_where_the_search_is_sure_of_it(recognizer, twice, monkeypatch):
    def first_shown(**times):
        """When each word of the first utterance was shown first, in seconds heard, and where it ends."""
        stream = recognizer.stream(RATE, StreamSettings(second_pass=False, **times))
        shown = {}
        for heard in range(800, len(twice) // 2, 800):
            for event in stream.push(twice[heard - 800 : heard]):
                for word in event.words if isinstance(event, PartialWords) else ():
                    shown.setdefault(word.word, (heard / RATE, word.end))
        return shown

    late, mixed = first_shown(show_after=0.9), first_shown(show_unsure_after=0.9)
    common = late.keys() & mixed.keys()
    assert len(common) > 6
    assert all(heard - end >= 0.9 for heard, end in late.values())
    assert all(mixed[word][0] <= late[word][0] for word in common)
    assert sum(mixed[word][0] < late[word][0] for word in common) > len(common) / 2
    monkeypatch.setattr("asr.recognizer.stream.SURE", 1.1)
    assert first_shown(show_unsure_after=0.9) == late


def test_the_first_pass_ends_with_the_words_before_the_end(recognizer, twice):
    """A right context longer than the silence: the last words are guessed, and not said again by the next utterance."""
    stream = recognizer.stream(RATE, StreamSettings(Chunks(0.24, 2.0, 1.2), end_silence=0.4, second_pass=False))
    texts = [event.text.lower() for event in _events(stream, twice, [1600]) if isinstance(event, Utterance)]
    whole = recognizer.transcribe(twice, rate=RATE).raw.split()
    assert len(texts) >= 2
    words = " ".join(texts).replace(".", "").replace(",", "").replace("?", "").split()
    assert abs(len(words) - len(whole)) <= 1
    assert words[-3:] == whole[-3:]


def test_any_rate_and_kind_of_samples_gives_the_same_words(recognizer, hello):
    wanted = _events(recognizer.stream(RATE), hello, [1600])[-1].text
    stereo = np.stack([resample(hello, RATE, 44_100)] * 2, axis=1)
    integers = (stereo * 32767).astype(np.int16)
    assert _events(recognizer.stream(44_100), integers, [4410])[-1].text == wanted


def test_silence_and_nothing_bring_no_words(recognizer):
    assert _events(recognizer.stream(RATE), np.zeros(10 * RATE, np.float32), [1600]) == []
    assert recognizer.stream(RATE).finish() == []


def test_a_stream_forgets_silence_before_the_words(recognizer, hello):
    stream = recognizer.stream(RATE)
    last = _events(stream, np.concatenate([np.zeros(12 * RATE, np.float32), hello]), [1600])[-1]
    assert isinstance(last, Utterance)
    assert last.start > 8.0
    assert min(word.start for word in last.words) >= 12.0


def test_a_long_utterance_is_cut_as_a_file_is(recognizer, hello):
    """Speech without pauses: what the second pass says of half a minute is what the file's transcript says."""
    loud = hello[np.flatnonzero(np.abs(hello) > 0.02)[0] :][: int(2.5 * RATE)]
    noise = 0.02 * np.random.default_rng(0).standard_normal(RATE * 40)
    samples = (np.tile(loud, 14)[: 34 * RATE] + noise[: 34 * RATE]).astype(np.float32)
    stream = recognizer.stream(RATE, StreamSettings(end_silence=30.0))
    stream._endpointer.end = lambda start: None
    utterances = [event for event in _events(stream, samples, [8000]) if isinstance(event, Utterance)]
    assert len(utterances) == 1
    assert " ".join(word.word for word in utterances[0].words) == recognizer.transcribe(samples, rate=RATE).raw


def test_a_passage_left_open_does_not_go_on_in_the_next_utterance(recognizer, hello, monkeypatch):
    """Half a minute in which the first pass hears sounds but no word, and which the second has begun to read."""
    loud = hello[np.flatnonzero(np.abs(hello) > 0.02)[0] :][: int(2.5 * RATE)]
    noise = 0.02 * np.random.default_rng(0).standard_normal(26 * RATE)
    stream = recognizer.stream(RATE)
    with monkeypatch.context() as patch:
        patch.setattr(stream, "_hypothesis", lambda stop=None: Hypothesis((), 0.0, 0.0, 0.0, 0.0))
        patch.setattr(Endpointer, "blank_seconds", property(lambda self: 4.0 if self._heard > 25 * RATE else 0.0))
        assert stream.push((np.tile(loud, 11)[: len(noise)] + noise).astype(np.float32)) == []
        assert stream._start > 20 * RATE
    silence = np.zeros(RATE, np.float32)
    said = [e for e in _events(stream, np.concatenate([silence, hello, silence]), [8000]) if isinstance(e, Utterance)]
    assert said
    assert all(event.start <= word.start <= word.end <= event.end for event in said for word in event.words)
    assert said[-1].words[-1].word == "morning"


def test_what_cannot_be_followed_is_refused(recognizer):
    with pytest.raises(ConfigError, match="whole number of Hz"):
        recognizer.stream(0)
    with pytest.raises(ConfigError, match="whole number of Hz above 0, not '16k'"):
        recognizer.stream("16k")
    with pytest.raises(ConfigError, match="show_after"):
        StreamSettings(show_after=2.0)
    with pytest.raises(ConfigError, match="end_silence"):
        StreamSettings(end_silence=0.0)
    with pytest.raises(ConfigError, match="end_silence"):
        StreamSettings(end_silence=math.nan)
    with pytest.raises(AudioError, match="NaN"):
        recognizer.stream(RATE).push(np.full(10, np.nan))


@pytest.mark.parametrize("rate", [16000, 48000])
def test_a_stream_at_its_end_takes_nothing_more(recognizer, rate):
    stream = recognizer.stream(rate)
    stream.finish()
    with pytest.raises(AudioError, match="at its end"):
        stream.push(np.zeros(10, np.float32))
    with pytest.raises(AudioError, match="at its end"):
        stream.finish()


def test_a_model_without_a_language_model_streams_too(tiny_model):
    greedy = Recognizer.load(tiny_model, greedy=True)
    assert all(
        isinstance(event, PartialWords | Utterance) for event in _events(greedy.stream(RATE), speech_like(3.0), [999])
    )


def _frames(blank: list[bool]) -> np.ndarray:
    return np.log(np.array([[0.95, 0.05] if each else [0.1, 0.9] for each in blank], np.float32))


def test_an_utterance_ends_in_the_middle_of_its_silence():
    speech = np.random.default_rng(0).uniform(-0.3, 0.3, 2 * RATE).astype(np.float32)
    endpointer = Endpointer(LoudnessPauses(RATE), RATE, FRAME, 0.6)
    endpointer.hear(speech)
    endpointer.read(_frames([False] * 66))
    assert endpointer.end(0) is None
    endpointer.hear(np.zeros(RATE // 2, np.float32))
    endpointer.read(_frames([False] + [True] * 8))
    assert endpointer.end(0) is None  # half a second
    endpointer.hear(np.zeros(RATE // 4, np.float32))
    endpointer.read(_frames([True] * 10))
    assert endpointer.end(0) / RATE == pytest.approx(2.0 + 0.75 / 2, abs=0.05)


@given(blanks=st.integers(0, 60))
@settings(max_examples=20, deadline=None)
def test_in_noise_blanks_alone_end_an_utterance_after_twice_the_time(blanks):
    endpointer = Endpointer(LoudnessPauses(RATE), RATE, FRAME, 0.6)
    endpointer.hear(0.1 * np.random.default_rng(1).standard_normal(5 * RATE).astype(np.float32))
    endpointer.read(_frames([False] * (166 - blanks) + [True] * blanks))
    assert (endpointer.end(0) is not None) == (blanks * FRAME >= 1.2)


def test_a_guess_at_what_comes_counts_for_the_end_until_it_is_read():
    endpointer = Endpointer(LoudnessPauses(RATE), RATE, FRAME, 0.6)
    endpointer.hear(0.1 * np.random.default_rng(1).standard_normal(5 * RATE).astype(np.float32))
    endpointer.read(_frames([False] * 120 + [True] * 10), _frames([True] * 36))
    assert endpointer.blank_seconds == pytest.approx(46 * FRAME)
    assert endpointer.end(0) is not None
    endpointer.read(_frames([True] * 5), _frames([True] * 10 + [False] + [True] * 20))
    assert endpointer.blank_seconds == pytest.approx(20 * FRAME)
    assert endpointer.end(0) is None


def test_quiet_audio_in_which_the_model_hears_speech_does_not_end_an_utterance():
    endpointer = Endpointer(LoudnessPauses(RATE), RATE, FRAME, 0.6)
    endpointer.hear(np.concatenate([0.5 * np.ones(2 * RATE, np.float32), np.zeros(RATE, np.float32)]))
    endpointer.read(_frames([False] * 100))
    assert endpointer.end(0) is None


def test_a_long_utterance_is_ended_by_a_shorter_silence():
    for seconds, ends in ((5, False), (12, True)):
        endpointer = Endpointer(LoudnessPauses(RATE), RATE, FRAME, 0.6)
        speech = np.random.default_rng(0).uniform(-0.3, 0.3, seconds * RATE)
        endpointer.hear(np.concatenate([speech, np.zeros(int(0.4 * RATE))]).astype(np.float32))
        endpointer.read(_frames([False] * round(seconds / FRAME) + [True] * 13))
        assert (endpointer.end(0) is not None) == ends


def test_samples_of_every_kind_are_mono_and_scaled():
    assert to_mono(np.array([[16384, -16384], [0, 16384]], np.int16), 8000, "x").tolist() == [0.0, 0.25]
