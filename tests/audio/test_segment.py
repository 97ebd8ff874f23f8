from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.audio.pauses import LoudnessPauses, Pause, find_pauses
from asr.audio.segment import PauseCutter, Segment, cut_at_pauses
from tests.conftest import speech_like

RATE = 16000


def voiced(seconds: float, seed: int = 0) -> np.ndarray:
    """Sound without any pause."""
    return speech_like(seconds, seed=seed) + 0.05 * np.random.default_rng(seed).standard_normal(
        int(seconds * RATE)
    ).astype(np.float32)


def pauses_of(samples: np.ndarray, min_seconds: float) -> list[Pause]:
    finder = LoudnessPauses(RATE)
    return find_pauses(finder.quiet(finder.push(samples)), min_seconds)


def test_a_short_recording_comes_out_whole_whatever_pauses_it_has():
    samples = np.concatenate([voiced(4.0), np.zeros(RATE, np.float32), voiced(9.0)])
    segments = list(cut_at_pauses([samples[:30000], samples[30000:]]))
    assert len(segments) == 1
    assert np.array_equal(segments[0].with_context, samples)
    assert segments[0].ends


def test_long_audio_is_cut_in_every_pause_and_nothing_is_lost():
    pause = np.zeros(RATE, np.float32)
    words = [voiced(5.0, seed) for seed in range(8)]
    samples = np.concatenate([part for word in words for part in (word, pause)])
    segments = list(cut_at_pauses(np.array_split(samples, 7)))
    assert np.array_equal(np.concatenate([segment.samples for segment in segments]), samples)
    assert [segment.start / RATE for segment in segments] == pytest.approx(
        [0.0, *(6 * n + 5.5 for n in range(7))], abs=0.1
    )
    assert all(segment.ends for segment in segments)


@pytest.mark.parametrize("noise_db", [None, 15.0])
def test_pauses_are_found_where_they_are_at_any_loudness_and_in_noise(noise_db):
    silence = np.zeros(RATE // 2, np.float32)
    samples = np.concatenate([voiced(3.0, 1), silence, voiced(4.0, 2), silence, voiced(2.0, 3)])
    if noise_db is not None:
        power = np.square(samples).mean() / 10 ** (noise_db / 10)
        samples = samples + np.sqrt(power) * np.random.default_rng(5).standard_normal(len(samples)).astype(np.float32)
    for gain in (1.0, 0.01):
        pauses = pauses_of(gain * samples, 0.3)
        assert [pause.middle / 100 for pause in pauses] == pytest.approx([3.25, 7.75], abs=0.1)


def test_steady_sound_and_silence_have_no_pauses():
    noise = np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32)
    assert pauses_of(0.1 * noise, 0.1) == []
    assert pauses_of(np.zeros(10 * RATE, np.float32), 0.1) == []
    assert pauses_of(np.zeros(10, np.float32), 0.1) == []


def test_segments_overlap_by_their_contexts_and_short_ones_have_more():
    pauses = [part for seed in range(3) for part in (voiced(3.0 + 2 * seed, seed), np.zeros(RATE, np.float32))]
    samples = np.concatenate([*pauses, voiced(30.0, 3)])
    segments = list(cut_at_pauses(np.array_split(samples, 9)))
    assert [segment.ends for segment in segments[:4]] == [True, True, True, False]
    for segment in segments:
        assert np.array_equal(segment.with_context, around(samples, segment))
        seconds = min(max(1.44, (10 - len(segment.samples) / RATE) / 2), 3.0)
        before, after = min(seconds, segment.start / RATE), min(seconds, (len(samples) - segment.stop) / RATE)
        assert len(segment.before) / RATE == pytest.approx(before, abs=0.12)
        assert len(segment.after) / RATE == pytest.approx(after, abs=0.061)
        assert len(segment.before) % (0.12 * RATE) == 0


def around(samples: np.ndarray, segment: Segment) -> np.ndarray:
    """Of a recording, what a segment and its context are."""
    return samples[segment.start - len(segment.before) : segment.stop + len(segment.after)]


def test_without_a_pause_segments_are_long_and_seams_lie_on_a_grid():
    samples = voiced(50.0)
    segments = list(cut_at_pauses(np.array_split(samples, 9)))
    assert np.array_equal(np.concatenate([segment.samples for segment in segments]), samples)
    assert [segment.ends for segment in segments] == [False] * (len(segments) - 1) + [True]
    assert all(6 * RATE <= len(segment.samples) <= 15 * RATE for segment in segments[:-1])
    for segment in segments:
        assert segment.start % (0.12 * RATE) == 0
        assert np.array_equal(segment.with_context, around(samples, segment))


def test_silence_and_nothing_are_silent_and_speech_is_not():
    assert next(iter(cut_at_pauses([np.zeros(RATE, np.float32)]))).silent
    assert next(iter(cut_at_pauses([np.zeros(1, np.float32)]))).silent
    assert next(iter(cut_at_pauses([]))).silent
    assert not next(iter(cut_at_pauses([speech_like(1.0)]))).silent


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 5),
    sizes=st.lists(st.integers(1, 40000), min_size=1, max_size=12),
    pauses=st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
)
def test_cuts_do_not_depend_on_the_blocks(seed, sizes, pauses):
    parts = [part for pause in pauses for part in (speech_like(5.0, 8000, seed), np.zeros(int(pause * 8000)))]
    samples = np.concatenate(parts).astype(np.float32)
    whole = list(cut_at_pauses([samples], 8000, 8.0))
    cutter, found, at = PauseCutter(8000, 8.0), [], 0
    while at < len(samples):
        size = sizes[at % len(sizes)]
        found += cutter.push(samples[at : at + size])
        at += size
    found += cutter.finish()
    assert len(whole) > 1
    assert [(segment.start, segment.ends) for segment in found] == [(segment.start, segment.ends) for segment in whole]
    assert all(np.array_equal(a.with_context, b.with_context) for a, b in zip(found, whole, strict=True))


def test_a_recording_goes_on_from_a_pause_as_if_it_had_never_stopped():
    samples = np.concatenate([voiced(7.0, 1), np.zeros(RATE, np.float32), voiced(40.0, 2)])
    whole = list(cut_at_pauses([samples]))
    at = whole[1].start
    rest = list(cut_at_pauses([samples[at:]], start=at, before=samples[:at]))
    assert [segment.start for segment in rest] == [segment.start for segment in whole[1:]]
    assert all(np.array_equal(a.with_context, b.with_context) for a, b in zip(rest, whole[1:], strict=True))
