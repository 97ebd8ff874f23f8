"""What PyAV (the extra `av`) reads: m4a, mp4, webm, and whatever else ffmpeg knows and soundfile does not."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.audio.containers import SAMPLE_RATES
from asr.errors import AudioError
from asr.extras import install_command

MISSING_SECONDS, MISSING_SHARE = 1.0, 0.02  # that what a container promises may be longer than what it holds
GAP_SECONDS = 0.2  # that sound may be later than the samples before it reach: containers tell jittering times
LONGEST_GAP_SECONDS = 6 * 3600.0  # a longer one is a damaged time, which might fill years with silence
MICROSECONDS = 1e6  # a second in a container's own times
WITHOUT_LENGTH = frozenset(["aac", "loas"])  # streams of AAC, whose length ffmpeg guesses from their first bytes
TAGGED_DURATION = re.compile(r"(\d{1,5}):(\d\d):(\d\d(?:\.\d+)?)")

Samples = NDArray[np.float32]


def has_av() -> bool:
    """Whether PyAV is installed."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


class _File(io.FileIO):
    """A file for PyAV, which prints a traceback where it cannot go to a place; damaged headers name places before 0."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError):
            return -1


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """PyAV's container and its first audio stream. Raises AudioError for a file that has none or cannot be decoded."""
    try:
        import av
    except ImportError:
        raise AudioError(f"{path} can only be read with PyAV; install it with: {install_command('av')}") from None
    try:
        # opened here: its name may be no valid Unicode, nor need what it says of itself
        with _File(path) as file, av.open(file, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise AudioError(f"{path} holds no sound; is it the right file?")
            yield container, container.streams.audio[0]
    except AudioError:
        raise
    except Exception as error:  # of any class: what is wrong with a file may show anywhere
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(f"{path} is not audio that can be read ({reason}); convert it to wav or flac.") from None


def av_info(path: Path) -> tuple[float, int, int]:
    """Duration in seconds (0 where nothing says it), sample rate in Hz and channels. Raises AudioError."""
    with _opened(path) as (container, stream):
        seconds = _own_end(container, stream) or _end(container) or _measured(container, stream)
        return seconds, stream.rate, stream.channels


def _begin(container: Any) -> float:
    """Where the clock of a player begins, in seconds of the container's: with the first picture or sound."""
    return (container.start_time or 0) / MICROSECONDS


def _end(container: Any) -> float:
    """When the whole ends, in seconds after its beginning; 0 where the container does not say, or only guesses."""
    guessed = container.format.name in WITHOUT_LENGTH
    return 0.0 if guessed else max(0.0, (container.duration or 0) / MICROSECONDS)


def _measured(container: Any, stream: Any) -> float:
    """The seconds of a file that does not say them, by reading its packets; none is decoded."""
    return float(sum((packet.duration or 0) * packet.time_base for packet in container.demux(stream) if packet.size))


def _own_end(container: Any, stream: Any) -> float:
    """When the sound ends on a player's clock, in seconds; 0 where the container does not say it of the sound alone.

    Matroska and WebM have it as a tag, or tell only when the whole ends: the picture may go on.
    """
    if container.format.name in WITHOUT_LENGTH:
        return 0.0
    if stream.duration is not None and stream.time_base:
        return max(0.0, float(((stream.start_time or 0) + stream.duration) * stream.time_base) - _begin(container))
    tag = TAGGED_DURATION.fullmatch(stream.metadata.get("DURATION", ""))
    if tag is not None:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    return 0.0 if len(container.streams) > 1 else _end(container)


class _Sound:
    """The sound of a container on a player's clock: where it begins late or pauses, as in a video, there is silence."""

    def __init__(self, path: Path, container: Any, stream: Any, mono: bool) -> None:
        self._path, self._container, self._stream = path, container, stream
        self._mono = mono and stream.channels != 2
        self.rate = self.position = 0  # samples so far
        self.others_end = 0.0  # of the other streams' packets so far, in seconds

    def pieces(self) -> Iterator[Samples]:
        """Samples (time,), or (time, channels) unless mono, or of two. Raises AudioError for an impossible rate."""
        import av

        converter = av.AudioResampler(format="fltp", layout="mono" if self._mono else None)
        begin = _begin(self._container)
        for packet in self._container.demux():
            if packet.stream.index != self._stream.index:
                if packet.pts is not None and packet.time_base:
                    end = float((packet.pts + (packet.duration or 0)) * packet.time_base) - begin
                    self.others_end = max(self.others_end, end)
                continue
            for decoded in packet.decode():
                time = None if decoded.time is None else decoded.time - begin
                for frame in converter.resample(decoded):
                    self._check(frame.sample_rate)
                    planes = np.asarray(frame.to_ndarray(), dtype=np.float32)
                    samples = planes[0] if self._mono else planes.T
                    yield from self._silence_until(time, samples)
                    self.position += len(samples)
                    yield samples

    def _check(self, rate: int) -> None:
        if not SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1]:
            raise AudioError(f"{self._path} cannot be used: its header says {rate} Hz; is it damaged?")
        self.rate = rate

    def _silence_until(self, time: float | None, like: Samples) -> Iterator[Samples]:
        """Silence up to `time`, in pieces of a second; none beyond the end that the container states."""
        if time is None or time > _end(self._container) + GAP_SECONDS:
            return
        missing = round(time * self.rate) - self.position
        if not GAP_SECONDS * self.rate < missing <= LONGEST_GAP_SECONDS * self.rate:
            return
        self.position += missing
        for start in range(0, missing, self.rate):
            yield np.zeros((min(self.rate, missing - start), *like.shape[1:]), np.float32)


def av_blocks(
    path: Path, offset: float, duration: float | None, block_seconds: float, partial: bool, mono: bool = True
) -> Iterator[tuple[int, Samples]]:
    """Sample rates and blocks of samples of `duration` seconds from `offset` seconds on.

    mono: blocks are (time,), the mean of the channels, but for two, which may cancel; else (time, channels).

    Raises AudioError for what cannot be read, holds less than it promises (unless `partial`), or has its offset past
    the end.
    """
    end = None if duration is None else offset + duration
    pending: list[Samples] = []
    position = held = 0
    with _opened(path) as (container, stream):
        sound = _Sound(path, container, stream, mono)
        for samples in sound.pieces():
            rate = sound.rate
            first = max(0, round(offset * rate) - position)
            last = len(samples) if end is None else max(0, round(end * rate) - position)
            position += len(samples)
            part = samples[first:last]
            pending.append(part)
            held += len(part)
            if held >= block_seconds * rate > 0:
                yield rate, np.concatenate(pending)
                pending, held = [], 0
            if end is not None and position >= end * rate:
                break
        if held:
            yield sound.rate, np.concatenate(pending)
        if not sound.rate:
            raise AudioError(f"{path} holds no sound that can be decoded; convert it to wav or flac.")
        seconds = position / sound.rate
        if offset > 0 and seconds <= offset:
            raise AudioError(f"{path}: offset {offset} s is past its end at {seconds:.2f} s; correct the manifest.")
        promised, reached = _own_end(container, stream), seconds
        if not promised:
            promised, reached = _end(container), max(seconds, sound.others_end)
        wanted = promised if end is None else min(end, promised)
        if not partial and wanted - reached > max(MISSING_SECONDS, MISSING_SHARE * wanted):
            raise AudioError(
                f"{path} ends early: its header promises {wanted:.2f} s and {reached:.2f} s can be read; "
                "copy it again, or set `partial` to use what is there."
            )
