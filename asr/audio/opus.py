"""Opus as it comes over a connection: packets, alone or in an Ogg stream (RFC 3533, RFC 7845), decoded one by one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asr.audio.read import Samples
from asr.errors import AudioError
from asr.extras import require

RATE = 48_000  # Hz, of everything that is decoded
LARGEST_PACKET = 1 << 20  # bytes; tags with a picture are the largest that are met
CONTINUED, FIRST = 1, 2  # bits of a page's type
HEAD, TAGS = b"OpusHead", b"OpusTags"


class OpusPackets:
    """Packets of one or two channels, decoded to mono."""

    def __init__(self) -> None:
        """Raises MissingPackageError without the extra `av`."""
        self._av = require("av", "av", "streams of Opus")
        self._decoder = self._av.CodecContext.create("opus", "r")
        self._decoder.sample_rate, self._decoder.layout = RATE, "mono"

    def decode(self, packet: bytes) -> Samples:
        """Samples (time,) at 48 kHz of a packet; none for an empty one. Raises AudioError for what is no Opus."""
        if not packet:
            return np.zeros(0, np.float32)
        try:
            frames = self._decoder.decode(self._av.Packet(packet))
        except self._av.error.FFmpegError as error:
            raise AudioError(f"a packet is no Opus that can be decoded ({error.strerror or error}).") from None
        parts = [np.asarray(frame.to_ndarray(), np.float32).mean(axis=0) for frame in frames]
        samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return np.nan_to_num(samples, posinf=0.0, neginf=0.0)


class OggOpus:
    """An Ogg stream that comes in parts of any length."""

    def __init__(self) -> None:
        """Raises MissingPackageError without the extra `av`."""
        self._packets = OpusPackets()
        self._pages = _Pages()
        self._skip = 0  # samples that only warm the decoder up
        self._gain = 1.0

    def decode(self, data: bytes) -> Iterator[Samples]:
        """Samples (time,) at 48 kHz of each packet that is whole by now.

        Raises AudioError for what is no Ogg stream of Opus with one or two channels.
        """
        for packet in self._pages.packets(data):
            if packet.startswith(HEAD):
                self._begin(packet)
            elif not packet.startswith(TAGS):
                samples = self._packets.decode(packet)
                skipped = min(self._skip, len(samples))
                self._skip -= skipped
                yield samples[skipped:] * np.float32(self._gain)

    def _begin(self, head: bytes) -> None:
        if len(head) < 19 or head[8] >> 4 or head[9] not in (1, 2) or head[18]:
            raise AudioError("the Opus stream is not one of one or two channels.")
        self._packets = OpusPackets()
        self._skip = int.from_bytes(head[10:12], "little")
        self._gain = 10 ** (int.from_bytes(head[16:18], "little", signed=True) / (20 * 256))


class _Pages:
    """The packets of the Opus stream among the pages of an Ogg stream."""

    def __init__(self) -> None:
        self._rest = b""
        self._part: bytes | None = None  # of a packet that goes on on the next page; None: its beginning was not seen
        self._serial: bytes | None = None  # of the stream that is followed

    def packets(self, data: bytes) -> Iterator[bytes]:
        """The packets that are whole by now. Raises AudioError for what are no pages."""
        data = self._rest + data
        at = 0
        while len(data) - at >= 27:
            if data[at : at + 5] != b"OggS\0":
                raise AudioError("what came is not an Ogg stream.")
            begin = at + 27 + data[at + 26]
            lengths = data[at + 27 : begin]
            end = begin + sum(lengths)
            if len(data) < end:
                break
            yield from self._of_page(data[at + 5], data[at + 14 : at + 18], lengths, data[begin:end])
            at = end
        self._rest = data[at:]

    def _of_page(self, kind: int, serial: bytes, lengths: bytes, body: bytes) -> Iterator[bytes]:
        if kind & FIRST and body.startswith(HEAD):
            self._serial = serial
        if serial != self._serial:
            return  # of a picture, say
        if not kind & CONTINUED:
            self._part = b""
        at = 0
        for length in lengths:
            if self._part is not None:
                self._part += body[at : at + length]
                if len(self._part) > LARGEST_PACKET:
                    raise AudioError("a packet of the Ogg stream is longer than any of Opus.")
            at += length
            if length < 255:
                if self._part is not None:
                    yield self._part
                self._part = b""
