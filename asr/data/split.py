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

    Groups are drawn at random until they reach the share: whole speakers, or utterances if `by` is "utterance". Raises
    ConfigError for a share that is not between 0 and 1, ManifestError for an utterance without a speaker or for a
    single group.
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
    total = sum(utterance.duration for utterance in utterances)
    chosen: set[int] = set()
    seconds = 0.0
    for name in np.random.default_rng(seed).permutation(sorted(groups)):
        if chosen and seconds >= share * total:
            break
        chosen.update(groups[name])
        seconds += sum(utterances[index].duration for index in groups[name])
    parts: tuple[list[Utterance], list[Utterance]] = ([], [])
    for index, utterance in enumerate(utterances):
        parts[index in chosen].append(utterance)
    return parts
