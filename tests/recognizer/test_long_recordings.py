"""Segments, passages, journals, and channels apart."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from asr.audio.pauses import LoudnessPauses
from asr.audio.segment import Segment, cut_at_pauses
from asr.audio.source import open_audio
from asr.decode.hypothesis import Hypothesis
from asr.decode.hypothesis import Word as FrameWord
from asr.decode.timed import Word
from asr.errors import ConfigError
from asr.recognizer.journal import Journal
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.segments import MAX_PASSAGE_SECONDS, Passages, SegmentFrames, SegmentLogProbs, log_probs_of
from asr.recognizer.transcript import Transcript
from asr.recognizer.turns import interleaved
from tests.conftest import speech_like

RATE, FRAME = 16000, 480


class LocalBackend:
    """Stands in for a network: a frame every 30 ms, the mean of its samples and of those of `reach` frames around."""

    seconds_per_frame, sample_rate = FRAME / RATE, RATE

    def __init__(self, reach: int = 0):
        self.reach = reach

    def log_probs(self, pieces):
        return [self._means(np.pad(piece, (0, -len(piece) % FRAME)).reshape(-1, FRAME)) for piece in pieces]

    def _means(self, frames):
        means = np.pad(frames.mean(axis=1, dtype=np.float64), self.reach)
        kernel = np.full(2 * self.reach + 1, 1 / (2 * self.reach + 1))
        return np.convolve(means, kernel, "valid")[:, None].astype(np.float32)


class Listing:
    """A decoder whose passages are lists of what they were fed: a word for every frame."""

    def __init__(self):
        self.passages = []

    def start(self):
        self.passages.append([])
        return self

    def feed(self, log_probs):
        self.passages[-1] += log_probs[:, 0].tolist()

    def finish(self):
        words = [FrameWord(f"{value:.4f}", at, at + 1, 1.0) for at, value in enumerate(self.passages[-1])]
        return [Hypothesis(tuple(words), 0.0, 0.0, 0.0, 0.0)]


def voiced(seconds: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(int(seconds * RATE))
    return (speech_like(seconds, seed=seed) + 0.05 * noise).astype(np.float32)


def test_over_seams_no_frame_is_lost_or_doubled():
    """What a network makes of segments and their contexts, joined, is what it makes of the whole."""
    samples = voiced(70.0)
    segments = list(cut_at_pauses([samples]))
    assert len(segments) > 4
    assert not any(segment.ends for segment in segments[:-1])
    backend = LocalBackend()
    joined = np.concatenate(log_probs_of(backend, segments))
    assert np.array_equal(joined, backend.log_probs([samples])[0])


def test_over_pauses_the_network_hears_what_is_around():
    """Of a network that hears 1.4 s to either side, segments of any length give what the whole recording gives."""
    lengths = (2.3, 6.1, 9.4, 12.2, 3.0, 20.0)
    samples = np.concatenate([p for n, s in enumerate(lengths) for p in (voiced(s, n), np.zeros(9600, np.float32))])
    backend, segments = LocalBackend(reach=46), list(cut_at_pauses([samples]))
    assert [segment.ends for segment in segments].count(True) == len(lengths)
    for segment, frames in zip(segments, log_probs_of(backend, segments), strict=True):
        first = segment.start // FRAME
        whole = backend.log_probs([samples[segment.start % FRAME :]])[0][first:]
        assert abs(len(frames) - len(segment.samples) / FRAME) <= 1
        inside = min(len(frames), len(whole)) - 1  # the last may reach beyond the context
        assert np.allclose(frames[:inside], whole[:inside], atol=1e-6)
    alone, heard = backend.log_probs([segments[1].samples])[0], log_probs_of(backend, segments)[1]
    assert not np.allclose(alone[:20], heard[:20], atol=1e-6)


def test_segments_without_a_pause_between_are_one_search_and_a_pause_ends_it():
    samples = np.concatenate([voiced(20.0, 1), np.zeros(RATE, np.float32), voiced(8.0, 2)])
    backend, decoder = LocalBackend(), Listing()
    passages, words = Passages(decoder, backend), []
    for segment, frames in zip(
        segments := list(cut_at_pauses([samples])), log_probs_of(backend, segments), strict=True
    ):
        words += passages.feed(SegmentFrames(segment.start, segment.stop, frames, segment.ends))
    assert [segment.ends for segment in segments] == [False, True, True]
    assert len(decoder.passages) == 2
    starts = np.array([word.start for word in words])
    assert np.abs(np.diff(starts) - 0.03).max() < 0.031  # over the pause a frame may be shorter
    expected = backend.log_probs([samples])[0]
    inside = len(decoder.passages[0]) - 1
    assert np.allclose(decoder.passages[0][:inside], expected[:inside, 0])


def test_a_passage_without_end_is_ended_all_the_same():
    passages = Passages(Listing(), LocalBackend())
    step, ended = 15 * RATE, 0
    for number in range(20):
        start = number * step
        ended += bool(passages.feed(SegmentFrames(start, start + step, np.zeros((500, 1), np.float32), False)))
    assert ended == int(20 * 15 / (MAX_PASSAGE_SECONDS + 15))


def test_context_that_ends_in_the_middle_of_a_frame_costs_less_than_a_frame():
    samples = voiced(1.0)
    segment = Segment(0, samples[1000:9000], RATE, samples[:1000], samples[9000:])
    assert abs(len(log_probs_of(LocalBackend(), [segment])[0]) - 8000 / FRAME) < 1


@pytest.fixture
def long_file(tmp_path):
    parts = [part for seed in range(30) for part in (voiced(4.0, seed), np.zeros(RATE, np.float32))]
    soundfile.write(tmp_path / "long.flac", np.concatenate(parts), RATE)
    return tmp_path / "long.flac"


@pytest.fixture
def recognizer(tmp_path, tiny_model):
    backend = LocalBackend(reach=46)
    backend.package = Recognizer.load(tiny_model, device="cpu").backend.package
    made = Recognizer(backend, Listing())
    made.decoder.config = "settings"
    return made


class Interrupted(Exception):
    pass


def _interrupt(done, total):
    if done > 60:
        raise Interrupted


def test_a_long_file_goes_on_where_it_was_interrupted_to_the_same_words(recognizer, long_file, tmp_path):
    whole = recognizer.transcribe(long_file)
    recognizer.decoder.passages.clear()
    journal = tmp_path / "journal"
    with pytest.raises(Interrupted):
        recognizer.transcribe(long_file, journal=journal, progress=_interrupt)
    before = len(recognizer.decoder.passages)
    with journal.open("a") as file:
        file.write('\n{"channel": 0, "stop": 99')  # a line that a kill has torn
    assert recognizer.transcribe(long_file, journal=journal) == whole
    again = len(recognizer.decoder.passages) - before
    assert 10 < before < 30
    assert 0 < again < 25
    assert recognizer.transcribe(long_file, journal=journal) == whole  # what is left after the end does no harm


class Remembering(LoudnessPauses):
    """Finds nothing said in a stretch by what it heard before: a detector that an LSTM is, made plain."""

    def __init__(self):
        super().__init__(RATE)
        self.hops = 0

    def push(self, samples):
        levels = super().push(samples)
        self.hops += len(levels)
        return np.stack([levels, np.arange(self.hops - len(levels), self.hops)], axis=1)

    def finish(self):
        return np.zeros((0, 2))

    def quiet(self, levels):
        return super().quiet(levels[:, 0])

    def silent(self, levels):
        return bool(levels[0, 1] % 3)


def test_what_is_silent_does_not_depend_on_where_a_file_goes_on(long_file):
    def segments(start):
        with open_audio(long_file, sample_rate=RATE) as audio:
            return list(SegmentLogProbs(LocalBackend(), audio, start=start, pauses=Remembering()))

    whole = segments(0)
    silent = [len(segment.log_probs) == 0 for segment in whole]
    assert 5 < sum(silent) < len(silent) - 5
    for number, segment in enumerate(whole[:-1]):
        rest = segments(segment.stop)
        assert [(s.start, s.stop, len(s.log_probs)) for s in rest] == [
            (s.start, s.stop, len(s.log_probs)) for s in whole[number + 1 :]
        ]


def test_a_journal_of_something_else_or_a_damaged_one_is_passed_over(recognizer, long_file, tmp_path):
    whole = recognizer.transcribe(long_file)
    journal = tmp_path / "journal"
    with pytest.raises(Interrupted):
        recognizer.transcribe(long_file, journal=journal, progress=_interrupt)
    held = journal.read_text()
    made_up = json.loads(held.splitlines()[1]) | {"words": [["made up", 0.0, 1.0, 1.0]]}
    recognizer.decoder.config = "other settings"
    for other in (json.dumps(made_up), held.replace('"words"', '"wards"'), "", "{}\n", "[1]\n\xff"):
        journal.write_text(other)
        assert recognizer.transcribe(long_file, journal=journal) == whole
    recognizer.decoder.config = "settings"
    journal.write_text(json.dumps(made_up))
    assert recognizer.transcribe(long_file, journal=journal).words[0].word == "made up"  # a whole one is believed
    with pytest.raises(ConfigError, match="given by its path"):
        recognizer.transcribe(np.zeros(10), rate=RATE, journal=journal)


def test_two_processes_with_one_journal_neither_double_nor_lose_words(tmp_path):
    """One goes on with what the other has written, or begins anew, and both are killed; a third has other settings."""

    def add(journal, *numbers):
        for number in numbers:
            journal.add([Word(f"w{number}", number, number + 1.0, 0.9)], 100 * (number + 1))

    def found():
        journal = Journal(path, {"of": "x"})
        return [word.word for word in journal.words()], journal.stop()

    path = tmp_path / "j"
    first, other = Journal(path, {"of": "x"}), Journal(path, {"of": "y"})
    add(first, 0, 1)
    add(other, 0, 1)
    second = Journal(path, {"of": "x"})
    add(first, 2)
    add(second, 2, 3)
    with path.open("a") as file:
        file.write('\n{"of": "to')  # torn by a kill, while others go on
    add(first, 3, 4)
    add(other, 2)
    assert found() == (["w0", "w1", "w2", "w3", "w4"], 500)

    path.unlink()  # as a run without `resume` does
    third = Journal(path, {"of": "x"})
    add(third, 0)
    add(first, 5)
    assert found() == (["w0"], 100)
    add(third, 1)
    assert found() == (["w0", "w1"], 200)


def test_a_journal_keeps_channels_apart(tmp_path):
    word = Word("a", 0.5, 0.75, 0.9)
    journal = Journal(tmp_path / "j", {"of": "x"})
    assert not (tmp_path / "j").exists()
    journal.add([word], 100, 1)
    journal.add([], 50, 0)
    journal.add([replace(word, word="β")], 200, 1)
    again = Journal(tmp_path / "j", {"of": "x"})
    assert (again.words(0), again.stop(0)) == ([], 50)
    assert [w.word for w in again.words(1)] == ["a", "β"]
    assert (again.words(1)[0], again.stop(1), again.stop(2)) == (word, 200, 0)
    again.remove()
    assert Journal(tmp_path / "j", {"of": "x"}).stop(1) == 0


def test_channels_apart_are_transcribed_each_and_say_who_spoke(recognizer, tmp_path):
    left, right = voiced(3.0, 1), voiced(3.0, 2)
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], axis=1), RATE, "FLOAT")
    seen: list[float] = []
    apart = recognizer.transcribe(tmp_path / "two.wav", channels="separate", progress=lambda d, t: seen.append(d / t))
    for channel, samples in ((1, left), (2, right)):
        expected = recognizer.transcribe(samples, rate=RATE).words
        assert [replace(word, channel=None) for word in apart.words if word.channel == channel] == list(expected)
    assert seen == pytest.approx([0.0, 0.5, 0.5, 1.0])
    mixed = recognizer.transcribe(tmp_path / "two.wav")
    assert [word.channel for word in mixed.words] == [None] * len(mixed.words)
    samples = np.stack([left, right], axis=1)
    assert recognizer.transcribe(samples, rate=RATE, channels="separate").words == apart.words
    with pytest.raises(ConfigError, match="mixed or separate"):
        recognizer.transcribe(tmp_path / "two.wav", channels="left")


def test_turns_alternate_by_the_beginnings_of_phrases():
    def said(*times):
        return [Word(f"w{start}", start, start + 0.2, 1.0) for start in times]

    order = interleaved([said(0.0, 0.3, 2.0), said(0.1, 0.4, 1.5, 3.0)])
    assert [(word.start, word.channel) for word in order] == [
        (0.0, 1), (0.3, 1), (0.1, 2), (0.4, 2), (1.5, 2), (2.0, 1), (3.0, 2),
    ]  # fmt: skip


def test_every_format_tells_the_channels_apart():
    words = interleaved([[Word("hello", 0.0, 0.5, 1.0), Word("fine", 2.0, 2.5, 1.0)], [Word("hi", 0.75, 1.25, 1.0)]])
    transcript = Transcript("call.wav", 3.0, tuple(words))
    assert transcript.to_txt() == "Channel 1: hello\nChannel 2: hi\nChannel 1: fine\n"
    assert [word["channel"] for word in json.loads(transcript.to_json())["words"]] == [1, 2, 1]
    assert transcript.to_srt().splitlines()[2::4] == ["Channel 1: hello", "Channel 2: hi", "Channel 1: fine"]
    assert transcript.to_ctm().splitlines()[1] == "call 1 2.000 0.500 fine 1.0000"
    assert [line.split("\t")[-1] for line in transcript.to_tsv().splitlines()] == ["channel", "1", "2", "1"]
    mixed = Transcript("call.wav", 3.0, tuple(replace(word, channel=None) for word in words))
    assert mixed.to_txt() == "hello hi fine\n"
    assert "channel" not in mixed.to_json() + mixed.to_tsv() + mixed.to_srt()
