"""Opus files whose pages say earlier times than their packets reach (RFC 3533, RFC 7845), with the times set right.

ffmpeg writes such files from sources whose time stamps jitter, by 10 ms between pages. libsndfile ends there with an
error; other decoders count the packets.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

FRAME_SIZES = [480, 960, 1920, 2880] * 3 + [480, 960] * 2 + [120, 240, 480, 960] * 4  # at 48 kHz, by a packet's kind
UNKNOWN = (1 << 64) - 1  # the time of a page on which no packet ends
LAST = 4  # bit of a page's type
TIME, CHECKSUM = slice(6, 14), slice(22, 26)  # in a page's header
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

Patch = tuple[int, bytes]  # a place in a file, and what is to be read there


class _Page(NamedTuple):
    """A page: its bytes, whether it is the last, its time and the samples of the packets that end on it, at 48 kHz."""

    start: int
    end: int
    is_last: bool
    time: int
    samples: int


def opus_patches(data: mmap.mmap, start: int, end: int) -> tuple[Patch, ...]:
    """Headers of pages with right times, for a stream in which a page's time lies before the end of its packets.

    None for any other stream: gaps, which lost packets leave, stay.
    """
    pages = list(_pages(data, start, end))
    if not any(page.time < before.time + page.samples and not page.is_last for before, page in pairwise(pages)):
        return ()
    begin = pages[0].time - pages[0].samples
    position = begin if begin > pages[0].samples else 0  # of a part of a longer stream
    patches = []
    for page in pages:
        position += page.samples
        header = bytearray(data[page.start : page.end])
        # the last page's time tells how much of its packets is padding
        header[TIME] = (min(position, page.time) if page.is_last else position).to_bytes(8, "little")
        header[CHECKSUM] = bytes(4)
        header[CHECKSUM] = _checksum(header)
        patches.append((page.start, bytes(header[: CHECKSUM.stop])))
    return tuple(patches)


def _pages(data: mmap.mmap, start: int, end: int) -> Iterator[_Page]:
    """The pages that hold sound and on which packets end, as long as they follow each other; none of other codecs."""
    if data[start + 28 : start + 36] != b"OpusHead":
        return
    stream, at, unfinished = data[start + 14 : start + 18], start, 0
    while at + 27 <= end and data[at : at + 4] == b"OggS" and data[at + 14 : at + 18] == stream:
        lengths = data[at + 27 : at + 27 + data[at + 26]]
        begin, body = at, at + 27 + len(lengths)
        at = body + sum(lengths)
        samples, is_new = 0, not data[begin + 5] & 1
        for length in lengths:
            if is_new:
                unfinished = _packet_samples(data[body : body + min(length, 2)])
            body, is_new = body + length, length < 255
            if is_new:
                samples, unfinished = samples + unfinished, 0
        time = int.from_bytes(data[begin + TIME.start : begin + TIME.stop], "little")
        if 0 < time != UNKNOWN:  # 0: of the headers
            yield _Page(begin, at, bool(data[begin + 5] & LAST), time, samples)


def _packet_samples(packet: bytes) -> int:
    """The samples at 48 kHz of a packet, by its first bytes (RFC 6716, 3.1)."""
    if not packet:
        return 0
    code = packet[0] & 3
    frames = (1, 2, 2, packet[-1] & 63)[code]
    return FRAME_SIZES[packet[0] >> 3] * frames


def _checksum(page: bytes | bytearray) -> bytes:
    """The checksum of a page: zlib's polynomial with the bits in the other order, beginning with 0."""
    checksum = zlib.crc32(page.translate(REVERSED)) ^ zlib.crc32(bytes(len(page)))
    return checksum.to_bytes(4, "big").translate(REVERSED)
