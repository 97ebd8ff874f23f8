from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.data.manifest import Utterance
from asr.data.split import split_utterances
from asr.errors import ConfigError, ManifestError


def _utterances(speakers: list[int]) -> list[Utterance]:
    return [
        Utterance(f"u{number}", "a.wav", 1.0 + number % 3, "hi", f"s{speaker}")
        for number, speaker in enumerate(speakers)
    ]


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=40), st.floats(0.05, 0.95), st.integers(0, 3))
def test_no_speaker_is_in_both_parts_and_no_utterance_is_lost(speakers, share, seed):
    utterances = _utterances(speakers)
    if len(set(speakers)) < 2:
        with pytest.raises(ManifestError, match="only one speaker"):
            split_utterances(utterances, share, seed=seed)
        return
    first, second = split_utterances(utterances, share, seed=seed)
    assert sorted(u.id for u in first + second) == sorted(u.id for u in utterances)
    assert not {u.speaker for u in first} & {u.speaker for u in second}
    assert first
    assert second
    of = Counter()
    for utterance in utterances:
        of[utterance.speaker] += utterance.duration
    kept, drawn = ({u.speaker for u in part} for part in (first, second))
    seconds, wanted = sum(u.duration for u in second), share * of.total()
    assert seconds <= 2 * wanted + 1e-9 or [of[speaker] for speaker in drawn] == [min(of.values())]
    enough = seconds >= wanted - 1e-9 or len(kept) == 1
    assert enough or all(seconds + of[speaker] > 2 * wanted - 1e-9 for speaker in kept)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_a_speaker_of_most_utterances_does_not_end_in_the_smaller_part(share, seed):
    """With a quarter asked for, four fifths of the audio went there, or all of it."""
    first, second = split_utterances(_utterances([0] * 24 + [1] * 3 + [2] * 3), share, seed=seed)
    if share < 0.5:
        assert {u.speaker for u in first} >= {"s0"}
    assert first
    assert second


def test_single_utterances_are_divided_without_speakers():
    utterances = [Utterance(f"u{number}", "a.wav", 1.0) for number in range(20)]
    first, second = split_utterances(utterances, 0.25, by="utterance")
    assert (len(first), len(second)) == (15, 5)
    assert first == [u for u in utterances if u in first]  # in their order
    with pytest.raises(ManifestError, match="u0 has no speaker; set `by` to utterance"):
        split_utterances(utterances, 0.25)


def test_seeds_repeat_and_differ():
    utterances = _utterances(list(range(7)) * 3)
    parts = [split_utterances(utterances, 0.3, seed=seed) for seed in (1, 1, 2)]
    assert parts[0] == parts[1] != parts[2]


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_outside_0_and_1_is_refused(share):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        split_utterances(_utterances([1, 2]), share)
