"""A corpus divided in two, such as a training and a development set, without a speaker in both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asr.data.manifest import Utterance
from asr.errors import ConfigError, ManifestError


def split_utterances(
    utterances: Sequence[Utterance], share: float, by: str = "speaker", seed: int = 1
) -> tuple[list[Utterance], list[Utterance]]:
    """Two parts of the utterances, in their order; the second has about `share` of the audio.

    Groups are drawn at random until they reach the share: whole speakers, or utterances if `by` is "utterance". One
    that would take the part beyond twice the share, or leave none for the first, is not drawn; where each would, the
    smallest is.

    Raises ConfigError for a share that is not between 0 and 1, ManifestError for an utterance without a speaker or for
    a single group.
    """
    if not 0 < share < 1:
        raise ConfigError(f"`share` must lie between 0 and 1, not {share}.")
    groups: dict[str, list[int]] = {}
    for index, utterance in enumerate(utterances):
        if by == "speaker" and not utterance.speaker:
            raise ManifestError(f"{utterance.id} has no speaker; set `by` to utterance.")
        groups.setdefault(str(utterance.speaker) if by == "speaker" else utterance.id, []).append(index)
    if len(groups) < 2:
        raise ManifestError(f"a corpus with only one {by} cannot be split by {by}.")
    drawn = [groups[name] for name in np.random.default_rng(seed).permutation(sorted(groups))]
    lengths = [sum(utterances[index].duration for index in group) for group in drawn]
    chosen = {index for place in _places(lengths, share * sum(lengths)) for index in drawn[place]}
    parts: tuple[list[Utterance], list[Utterance]] = ([], [])
    for index, utterance in enumerate(utterances):
        parts[index in chosen].append(utterance)
    return parts


def _places(lengths: Sequence[float], wanted: float) -> list[int]:
    """The first groups that reach `wanted` seconds, without those that would lead beyond twice as many, and not all."""
    places: list[int] = []
    seconds = 0.0
    for place, length in enumerate(lengths):
        if (places and seconds >= wanted) or len(places) == len(lengths) - 1:
            break
        if seconds + length <= 2 * wanted:
            places.append(place)
            seconds += length
    return places or [int(np.argmin(lengths))]
