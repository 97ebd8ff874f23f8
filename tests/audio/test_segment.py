from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.audio.segment import PauseCutter, cut_at_pauses
from tests.conftest import speech_like


def test_a_short_recording_comes_out_whole():
    samples = speech_like(5.0)
    segments = list(cut_at_pauses([samples[:30000], samples[30000:]]))
    assert len(segments) == 1
    assert np.array_equal(segments[0].samples, samples)


def test_long_audio_is_cut_in_the_pauses_and_nothing_is_lost():
    pause = np.zeros(16000, np.float32)
    words = [speech_like(9.0, seed=seed) + 0.02 for seed in range(8)]
    samples = np.concatenate([part for word in words for part in (word, pause)])
    segments = list(cut_at_pauses(np.array_split(samples, 7)))
    assert np.array_equal(np.concatenate([segment.samples for segment in segments]), samples)
    assert all(len(segment.samples) <= 30 * 16000 for segment in segments)
    for segment in segments[1:]:
        assert 9.0 <= segment.start / 16000 % 10 < 10.0  # within the second of silence after nine of sound


def test_silence_and_nothing_are_silent_and_speech_is_not():
    assert next(iter(cut_at_pauses([np.zeros(16000, np.float32)]))).is_silent
    assert next(iter(cut_at_pauses([np.zeros(1, np.float32)]))).is_silent
    assert next(iter(cut_at_pauses([]))).is_silent
    assert not next(iter(cut_at_pauses([speech_like(1.0)]))).is_silent


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 5), sizes=st.lists(st.integers(1, 40000), min_size=1, max_size=12))
def test_cuts_do_not_depend_on_the_blocks(seed, sizes):
    samples = speech_like(11.0, rate=8000, seed=seed)
    whole = list(cut_at_pauses([samples], 8000, 8.0))
    cutter, found, at = PauseCutter(8000, 8.0), [], 0
    while at < len(samples):
        size = sizes[at % len(sizes)]
        found += cutter.push(samples[at : at + size])
        at += size
    found += cutter.finish()
    assert len(whole) == 2
    assert [segment.start for segment in found] == [segment.start for segment in whole]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(found, whole, strict=True))
