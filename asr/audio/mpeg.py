"""The frames of mp3 files (ISO 11172-3 and 13818-3, layer III): where they lie and how many there are.

A file's only count is in the Xing header, which many files lack or have wrongly; libsndfile then guesses from the
size and the first bit rate, and reads no further than its guess.
"""

from __future__ import annotations

import functools
import mmap
import struct
from collections.abc import Iterator
from typing import NamedTuple

MPEG_1 = 3  # the bits of the version; 2: MPEG 2, 0: MPEG 2.5, 1 is reserved
KBITS = {MPEG_1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)}
KBITS[0] = KBITS[2] = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # of the indices from 1 on
MONO = 3  # the bits of the channels
RATES = {MPEG_1: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
XING_MARKS = (b"Xing\x00\x00\x00", b"Info\x00\x00\x00")
XING_PLACES = (36, 21, 13)  # of the mark in its frame: MPEG 1 stereo; MPEG 1 mono or MPEG 2 stereo; MPEG 2 mono
HAS_FRAMES, HAS_BYTES = 1, 2  # flags of the Xing header
LONGEST_TAG = 1 << 28


def _frame_sizes() -> dict[bytes, tuple[int, int]]:
    """Size in bytes and rate in Hz of a frame, by its first three bytes."""
    sizes = {}
    for version, rates in RATES.items():
        slots = 144_000 if version == MPEG_1 else 72_000
        for first in (0xE2 | version << 3, 0xE3 | version << 3):  # with and without a checksum
            for second in range(0x10, 0xF0):
                if second >> 2 & 3 < 3:
                    rate = rates[second >> 2 & 3]
                    size = slots * KBITS[version][(second >> 4) - 1] // rate + (second >> 1 & 1)
                    sizes[bytes((0xFF, first, second))] = size, rate
    return sizes


FRAMES = _frame_sizes()


class Head(NamedTuple):
    """Size in bytes of a frame, and a number of its own for each rate with one channel or two."""

    size: int
    kind: int


class Run(NamedTuple):
    """Frames of one kind that a decoder reads in one go: first byte, byte after the last, number of frames."""

    start: int
    end: int
    frames: int


class Xing(NamedTuple):
    """What the Xing header promises, 0 where it does not say: bytes, and frames beside its own."""

    frames: int
    size: int


def is_mp3_frame(head: bytes) -> bool:
    """Whether bytes begin a frame."""
    return head[:3] in FRAMES


def frame_size(data: mmap.mmap, at: int) -> int:
    """The bytes of the frame that begins here."""
    return FRAMES[data[at : at + 3]][0]


def frame_runs(data: mmap.mmap, start: int, end: int) -> Iterator[Run]:
    """The frames between two places; a run ends at a tag and where version, rate or the number of channels change."""
    at = begin = _next_frame(data, start, end)
    frames, kind = 0, _read_head(data[at : at + 4]).kind
    while at + 4 <= end:
        head = _read_head(data[at : at + 4])
        if head.kind == kind:
            frames, at = frames + 1, at + head.size
            continue
        tag = _tag_size(data, at)
        following = _next_frame(data, at + tag, end)
        following_kind = _read_head(data[following : following + 4]).kind
        if tag or following_kind != kind:
            if frames:
                yield Run(begin, at, frames)
            begin, frames, kind = following, 0, following_kind
        at = following
    if frames:
        yield Run(begin, end, frames - (at > end))  # the last frame is not decoded if it breaks off


def read_xing(data: mmap.mmap, frame: int) -> Xing | None:
    """The Xing header of the frame, None if it has none."""
    for place in XING_PLACES:
        at = frame + place
        if at + 16 <= len(data) and data[at : at + 7] in XING_MARKS:
            flags, at = data[at + 7], at + 8
            frames = int.from_bytes(data[at : at + 4]) if flags & HAS_FRAMES else 0
            at += 4 if flags & HAS_FRAMES else 0
            return Xing(frames, int.from_bytes(data[at : at + 4]) if flags & HAS_BYTES else 0)
    return None


def xing_frame(head: bytes, frames: int, size: int) -> bytes:
    """A frame whose Xing header counts frames, and their size in bytes, to stand before a frame that begins so."""
    version, is_mono = head[1] >> 3 & 3, head[3] >> 6 == MONO
    place = (21 if is_mono else 36) if version == MPEG_1 else (13 if is_mono else 21)
    starts = (bytes((0xFF, head[1] | 1, index << 4 | head[2] & 0x0C)) for index in range(1, 15))
    own, start = next((FRAMES[start][0], start) for start in starts if FRAMES[start][0] >= place + 16)
    header = XING_MARKS[0] + struct.pack(">BII", HAS_FRAMES | HAS_BYTES, frames, size + own)
    return ((start + head[3:4]).ljust(place, b"\0") + header).ljust(own, b"\0")


@functools.lru_cache(maxsize=1024)  # a file's frames begin in a few ways, and it may have a million
def _read_head(head: bytes) -> Head:
    """Of the first four bytes of a frame; no size and kind 0 of what is none."""
    if len(head) < 4 or not is_mp3_frame(head):
        return Head(0, 0)
    size, rate = FRAMES[head[:3]]
    return Head(size, 2 * rate + (head[3] >> 6 == MONO))  # the rate tells the version


def _next_frame(data: mmap.mmap, at: int, end: int) -> int:
    """Where the next frame is that one of its kind follows, or the end; `end` if there is none."""
    at += _tag_size(data, at)
    while 0 <= (at := data.find(b"\xff", at, end)) < end:
        head = _read_head(data[at : at + 4])
        after = at + head.size
        if head.kind and (
            after + 4 > end or _read_head(data[after : after + 4]).kind == head.kind or _tag_size(data, after)
        ):
            return at
        at += 1
    return end


def _tag_size(data: mmap.mmap, at: int) -> int:
    """The bytes of the tag that begins here (ID3, version 1 or 2, or APE), 0 if there is none."""
    head = data[at : at + 16]
    if head.startswith(b"TAG"):
        return 128
    if head.startswith(b"APETAGEX") and len(head) == 16:
        return min(32 + int.from_bytes(head[12:], "little"), LONGEST_TAG)
    if head.startswith(b"ID3") and len(head) >= 10:
        size = 0
        for digit in head[6:10]:
            size = size << 7 | digit & 0x7F
        return 10 + size
    return 0
