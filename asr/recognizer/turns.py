"""Words of several channels in the order in which people take turns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from asr.decode.timed import Word

TURN_PAUSE = 0.5  # seconds of silence on a channel after which another may come between its words


def interleaved(channels: Sequence[Sequence[Word]]) -> list[Word]:
    """The words of all channels, marked with them, from 1: phrase by phrase, in the order in which phrases begin."""
    phrases: list[list[Word]] = []
    for channel, words in enumerate(channels, 1):
        end = float("-inf")
        for word in words:
            if word.start - end > TURN_PAUSE:
                phrases.append([])
            phrases[-1].append(replace(word, channel=channel))
            end = word.end
    phrases.sort(key=lambda phrase: (phrase[0].start, phrase[0].channel))  # stable: each channel's words stay in order
    return [word for phrase in phrases for word in phrase]


def turns(words: Iterable[Word]) -> list[list[Word]]:
    """Words in runs of one channel."""
    runs: list[list[Word]] = []
    for word in words:
        if not runs or runs[-1][-1].channel != word.channel:
            runs.append([])
        runs[-1].append(word)
    return runs


def label(channel: int | None) -> str:
    """What is written before the words of a channel; nothing where channels were not told apart."""
    return "" if channel is None else f"Channel {channel}: "
