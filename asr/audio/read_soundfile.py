"""What soundfile reads: wav, flac, ogg, opus, mp3 and more, also several recordings in one file."""

from __future__ import annotations

import contextlib
import io
import math
import os
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.audio.containers import SAMPLE_RATES, SIZE_SLACK, Part, data_size, read_layout
from asr.errors import AudioError

BLOCK_VALUES = 1 << 24  # of all channels, at most: whatever a header says, a block takes no more than 64 MiB
MAX_CHANNELS = 64
MISSING_SECONDS = 1.0  # of a header's guess, that may lack where a decoder fails: tags after the sound
MEASURED_SECONDS = 30.0  # decoded at once to find out a duration
# Where the frames that a header promises are those that can be read; mp3 headers guess, ADPCM counts whole blocks.
EXACT_FORMATS = frozenset({"WAV", "WAVEX", "AIFF", "AU", "CAF", "W64", "RF64", "NIST"})
EXACT_SUBTYPES = frozenset({"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"})
FAILURES = (soundfile.LibsndfileError, RuntimeError)  # of decoding and of going to a place
UNKNOWN_FRAMES = 1 << 56  # libsndfile says at least so many where a streamed flac does not say how many it has

Samples = NDArray[np.float32]


def soundfile_info(path: Path, measure: bool) -> tuple[float, int, int]:
    """Duration in seconds, sample rate in Hz and channels from the header. Raises AudioError.

    measure: decode where the header does not say the duration, which is else 0.
    """
    seconds, rate, channels = 0.0, 0, 0
    for part in read_layout(path).parts:
        with _open_part(path, part) as handle:
            rate, channels = handle.samplerate, handle.channels
            if handle.frames < UNKNOWN_FRAMES:
                seconds += handle.frames / rate
            elif measure:
                seconds += _skip(handle, handle.frames) / rate
    return seconds, rate, channels


def soundfile_blocks(
    path: Path, offset: float, duration: float | None, block_seconds: float, partial: bool
) -> Iterator[tuple[int, Samples]]:
    """Sample rates and blocks of samples (time,) or (time, channels), from all recordings in the file."""
    layout = read_layout(path)
    left = math.inf if duration is None else duration
    before, reached = 0.0, False  # seconds of the recordings so far
    for part in layout.parts:
        with _open_part(path, part) as handle:
            rate, known = handle.samplerate, handle.frames < UNKNOWN_FRAMES
            total = handle.frames if known else UNKNOWN_FRAMES
            _check_size(path, handle, partial)
            start = round(max(0.0, offset - before) * rate)
            if start and start >= total:
                before += total / rate
                continue
            wanted = int(min(total - start, round(min(left, 1e9) * rate)))
            found, failed = 0, False
            start = _seek(path, handle, start) if known else _skip(handle, start)
            while found < wanted and not failed:
                block, failed = _read_block(handle, min(wanted - found, _most_frames(handle, block_seconds)))
                if not len(block):
                    break
                found += len(block)
                yield rate, block
        reached = reached or found > 0 or not offset
        exact = handle.format == "FLAC" or (handle.format in EXACT_FORMATS and handle.subtype in EXACT_SUBTYPES)
        # An mp3's frames are counted, but its decoder ends without a word where it meets what it cannot read.
        broken = (failed or handle.format == "MP3") and wanted - found > MISSING_SECONDS * rate
        if known and found < wanted and not partial and (exact or broken or not found):
            raise _ends_early(path, before + (start + wanted) / rate, before + (start + found) / rate)
        before += (start + found) / rate
        left -= found / rate
    if layout.is_cut and left > 1e-6 and not partial:
        raise AudioError(
            f"{path} ends early: it breaks off after {before:.2f} s; copy it again, or set `partial` to use what is "
            "there."
        )
    if not reached:
        raise AudioError(f"{path}: offset {offset} s is past its end at {before:.2f} s; correct the manifest.")


class _View(io.RawIOBase):
    """A range of the bytes of a file, with its beginning and its patches, as a file."""

    def __init__(self, path: Path, part: Part) -> None:
        self._file, self._part = path.open("rb"), part
        self._size = len(part.head) + part.end - part.start
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:  # what soundfile calls
        if self._at >= self._size:
            return 0  # file systems refuse places far beyond the end
        data = self._part.head[self._at :][: len(buffer)]
        if not data:
            place = self._part.start + self._at - len(self._part.head)
            self._file.seek(place)
            data = self._patched(place, self._file.read(min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _patched(self, start: int, data: bytes) -> bytes:
        """The bytes from a place of the file on, with the patches that lie there in part or whole."""
        patches, end = self._part.patches, start + len(data)
        first = max(0, bisect_right(patches, start, key=lambda patch: patch[0]) - 1)
        for place, patch in takewhile(lambda patch: patch[0] < end, islice(patches, first, None)):
            begin, stop = max(start, place), min(end, place + len(patch))
            if begin < stop:
                data = data[: begin - start] + patch[begin - place : stop - place] + data[stop - start :]
        return data

    def close(self) -> None:
        self._file.close()
        super().close()


class _Handle(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file that is not wound to and fro at each reading, as soundfile does: not where its length is unknown, for
    libsndfile then fails at the end, nor while it is read `onward`, where that takes as long as decoding."""

    onward = False

    def seekable(self) -> bool:
        return not self.onward and self.frames < UNKNOWN_FRAMES and bool(super().seekable())


def _open_part(path: Path, part: Part) -> soundfile.SoundFile:
    """A recording of a file. Raises AudioError for what soundfile cannot read, or no recording of sound could be."""
    whole = part == Part(0, path.stat().st_size)
    # As bytes, since a name need not be valid Unicode; Windows has no such names.
    source = _View(path, part) if not whole else str(path) if os.name == "nt" else os.fsencode(path)
    if path.suffix.lower() == ".raw":  # whose name would be taken to say that these are samples alone
        source = _View(path, part)
    try:
        handle = _Handle(source)
    except Exception as error:  # of any class: what is wrong with a file may show anywhere
        raise _not_audio(path, error) from None
    low, high = SAMPLE_RATES
    if low <= handle.samplerate <= high and 0 < handle.channels <= MAX_CHANNELS:
        return handle
    rate, channels = handle.samplerate, handle.channels
    handle.close()
    raise AudioError(f"{path} cannot be used: its header says {rate} Hz and {channels} channels; is it damaged?")


def _most_frames(handle: soundfile.SoundFile, seconds: float) -> int:
    """The frames of a block of so many seconds, fewer where these would take much memory."""
    most: int = min(int(seconds * handle.samplerate), BLOCK_VALUES // handle.channels)
    return max(1, most)


def _check_size(path: Path, handle: soundfile.SoundFile, partial: bool) -> None:
    """Raise AudioError for a file that is shorter than its header says: libsndfile takes what is there in silence."""
    size = data_size(path)
    if size is not None and size.missing > SIZE_SLACK and not partial:
        seconds = handle.frames / handle.samplerate
        raise _ends_early(path, seconds * size.promised / max(1, size.promised - size.missing), seconds)


def _seek(path: Path, handle: soundfile.SoundFile, frame: int) -> int:
    """Go to a frame; returns its number."""
    try:
        return int(handle.seek(frame)) if frame else 0
    except FAILURES as error:
        raise _not_audio(path, error) from None


def _skip(handle: soundfile.SoundFile, frames: int) -> int:
    """Read over so many frames; returns how many there were."""
    skipped = 0
    while skipped < frames:
        block, failed = _read_block(handle, min(frames - skipped, _most_frames(handle, MEASURED_SECONDS)))
        skipped += len(block)
        if failed or not len(block):
            break
    return skipped


def _read_block(handle: soundfile.SoundFile, frames: int) -> tuple[Samples, bool]:
    """Up to `frames` frames, and whether the decoder failed at their end.

    A damaged place ends the block; what is before it is kept, but for the part of a second in which it lies, since a
    decoder gives nothing of a call in which it stumbles. Formats other than flac are read in one call where that can be
    done: libsndfile decodes mp3 a little wrongly in small pieces.
    """
    if handle.format == "FLAC":
        handle.onward = True
        block, failed = _in_steps(handle, frames, handle.samplerate // 8)
        handle.onward = False
        return block, failed
    begin = handle.tell() if handle.seekable() else None
    try:
        block = handle.read(frames, dtype="float32")
        return block, False
    except FAILURES:
        pass
    with contextlib.suppress(*FAILURES):
        if begin is not None:
            handle.seek(begin)
            return _in_steps(handle, frames, handle.samplerate)
    return np.zeros(0, np.float32), True


def _in_steps(handle: soundfile.SoundFile, frames: int, step: int) -> tuple[Samples, bool]:
    """What can be read of so many frames in calls of `step` frames, and whether the decoder failed."""
    parts: list[Samples] = []
    held, failed = 0, False
    try:
        while held < frames:
            part = handle.read(min(max(1, step), frames - held), dtype="float32")
            if not len(part):
                break
            parts.append(part)
            held += len(part)
    except FAILURES:
        failed = True
    return (np.concatenate(parts) if parts else np.zeros(0, np.float32)), failed


def _not_audio(path: Path, error: Exception) -> AudioError:
    reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
    if "regular file" in reason and path.is_file():  # what libsndfile says of an mp3 that mpg123 finds no frame in
        reason = "no frame of sound in it"
    return AudioError(f"{path} is not audio that can be read ({reason}); convert it to wav or flac.")


def _ends_early(path: Path, promised: float, found: float) -> AudioError:
    return AudioError(
        f"{path} ends early: its header promises {promised:.2f} s and {found:.2f} s can be read; "
        "copy it again, or set `partial` to use what is there."
    )
