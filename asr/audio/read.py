"""Audio files to 16 kHz mono float32 samples, whole or block by block.

soundfile reads wav, flac, ogg, opus, mp3 and more; PyAV (the extra `av`) reads what soundfile cannot (m4a, mp4, webm);
soxr resamples. Nothing here keeps more than a block in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from asr.errors import AudioError
from asr.extras import install_command

SAMPLE_RATE = 16000
BLOCK_SECONDS = 30.0
AV_EXTENSIONS = frozenset([".m4a", ".mp4", ".webm", ".mkv", ".aac", ".mov", ".wma"])
SOUNDFILE_EXTENSIONS = frozenset(
    [".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64", ".sph"]
)
AUDIO_EXTENSIONS = SOUNDFILE_EXTENSIONS | AV_EXTENSIONS
EXACT_LENGTH_FORMATS = frozenset({"FLAC", "WAV", "WAVEX", "AIFF", "AU", "CAF", "W64", "RF64"})  # mp3 headers guess

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says: duration in seconds, sample rate in Hz, channels."""

    duration: float
    sample_rate: int
    channels: int


def audio_info(path: str | Path) -> AudioInfo:
    """Duration, sample rate and channels from the header, without decoding. Raises AudioError."""
    path = _checked(path)
    if path.suffix.lower() in AV_EXTENSIONS:
        return _av_info(path)
    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise _not_audio(path, error) from None
    return AudioInfo(info.frames / info.samplerate, info.samplerate, info.channels)


def read_audio(
    path: str | Path,
    offset: float = 0.0,
    duration: float | None = None,
    sample_rate: int = SAMPLE_RATE,
    partial: bool = False,
) -> Samples:
    """Mono samples (time,) of a file, or of `duration` seconds of it from `offset` seconds on.

    Channels are averaged. Raises AudioError for what cannot be read, ends before its header says (unless `partial`),
    holds NaN or infinite samples, or has its offset past the end.
    """
    blocks = list(read_blocks(path, offset, duration, sample_rate, partial=partial))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def read_blocks(
    path: str | Path,
    offset: float = 0.0,
    duration: float | None = None,
    sample_rate: int = SAMPLE_RATE,
    block_seconds: float = BLOCK_SECONDS,
    partial: bool = False,
    channel: int | None = None,
) -> Iterator[Samples]:
    """The samples of `read_audio` in blocks of about `block_seconds`; at most two blocks are in memory.

    channel: the number of the one to read, from 0, instead of the mean of all; AudioError where there is none.
    """
    path = _checked(path)
    if offset < 0 or (duration is not None and duration < 0):
        raise AudioError(f"{path}: offset and duration must not be negative; correct the manifest.")
    if path.suffix.lower() in AV_EXTENSIONS:
        source = _av_blocks(path, offset, duration, block_seconds, channel)
    else:
        source = _soundfile_blocks(path, offset, duration, block_seconds, partial)
    yield from _resampled(path, source, sample_rate, channel)


def _resampled(
    path: Path, source: Iterator[tuple[int, Samples]], sample_rate: int, channel: int | None
) -> Iterator[Samples]:
    resampler: soxr.ResampleStream | None = None
    for rate, block in source:
        # A sum is finite only if all its terms are: one pass, no temporary array.
        if not np.isfinite(block.sum(dtype=np.float64)):
            raise AudioError(f"{path} holds NaN or infinite samples; export it again from its source.")
        mono = one_channel(block, channel, str(path))
        if rate == sample_rate:
            yield mono
            continue
        if resampler is None:
            resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
        yield resampler.resample_chunk(mono)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def one_channel(samples: Samples, channel: int | None, name: str) -> Samples:
    """Samples (time,) of (time,) or (time, channels): the mean of the channels, or one of them by number, from 0.

    Raises AudioError where there is no such channel; name: of the recording, for the message.
    """
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    if channel is not None and not 0 <= channel < channels:
        raise AudioError(f"{name} has {channels} {'channel' if channels == 1 else 'channels'}, not {channel + 1}.")
    if samples.ndim == 1:
        return samples
    return samples.mean(axis=1, dtype=np.float32) if channel is None else np.ascontiguousarray(samples[:, channel])


def resample(samples: Samples, source_rate: int, target_rate: int) -> Samples:
    """Samples (time,) at another rate (soxr, high quality)."""
    if source_rate == target_rate:
        return samples
    return np.asarray(soxr.resample(samples, source_rate, target_rate, quality="HQ"), dtype=np.float32)


def _checked(path: str | Path) -> Path:
    path = Path(path)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise AudioError(f"{path} does not exist; check the path.") from None
    except OSError as error:
        raise AudioError(f"{path} cannot be opened: {error.strerror}.") from None
    if path.is_dir():
        raise AudioError(f"{path} is a folder, not an audio file; name the files in it.")
    if size == 0:
        raise AudioError(f"{path} is empty (0 bytes); copy or record it again.")
    return path


def _not_audio(path: Path, error: Exception) -> AudioError:
    reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
    return AudioError(f"{path} is not audio that can be read ({reason}); convert it to wav or flac.")


def _ends_early(path: Path, promised: float, found: float) -> AudioError:
    return AudioError(
        f"{path} ends early: its header promises {promised:.2f} s and {found:.2f} s can be read; "
        "copy it again, or set `partial` to use what is there."
    )


def _soundfile_blocks(
    path: Path, offset: float, duration: float | None, block_seconds: float, partial: bool
) -> Iterator[tuple[int, Samples]]:
    try:
        handle = soundfile.SoundFile(str(path))
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise _not_audio(path, error) from None
    with handle:
        rate, total = handle.samplerate, handle.frames
        promised = _wav_promised_frames(path) if handle.format in ("WAV", "WAVEX") else None
        if promised is not None and promised > total and not partial:
            raise _ends_early(path, promised / rate, total / rate)
        start = round(offset * rate)
        if start > 0 and start >= total:
            raise AudioError(
                f"{path}: offset {offset} s is past its end at {total / rate:.2f} s; correct the manifest."
            )
        wanted = total - start if duration is None else min(total - start, round(duration * rate))
        found = 0
        if start:
            handle.seek(start)
        while found < wanted:
            block = _read_block(handle, min(wanted - found, max(1, int(block_seconds * rate))))
            if not len(block):
                break
            found += len(block)
            yield rate, block
    if found < wanted and not partial and (handle.format in EXACT_LENGTH_FORMATS or not found):
        raise _ends_early(path, (start + wanted) / rate, (start + found) / rate)


def _read_block(handle: soundfile.SoundFile, frames: int) -> Samples:
    """Up to `frames` frames. A damaged place ends the block; what a flac holds before it is kept, but for the part of a
    second in which it lies, since its decoder gives nothing of a call in which it stumbles. Other formats are read in
    one call: libsndfile decodes mp3 wrongly in small pieces."""
    step = max(1, handle.samplerate // 8) if handle.format == "FLAC" else frames
    parts: list[Samples] = []
    held = 0
    try:
        while held < frames:
            part = handle.read(min(step, frames - held), dtype="float32")
            if not len(part):
                break
            parts.append(part)
            held += len(part)
    except (soundfile.LibsndfileError, RuntimeError):
        pass  # the caller compares with what the header promises
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _wav_promised_frames(path: Path) -> int | None:
    """Frames that a wav header promises (libsndfile silently clamps it to what is there); None if unsaid.

    Sizes of 0 and of 2 GiB or more are what programs write when they stream and do not know the length.
    """
    with path.open("rb") as file:
        if file.read(12)[:4] != b"RIFF":
            return None
        block_align = 0
        while len(header := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", header)
            if name == b"data":
                known = 0 < size < 0x7FFFF000
                return size // block_align if known and block_align else None
            body = file.read(size + size % 2)
            if name == b"fmt " and len(body) >= 14:
                block_align = struct.unpack("<H", body[12:14])[0]
    return None


def _av_module(path: Path) -> Any:
    try:
        import av
    except ImportError:
        raise AudioError(f"{path} can only be read with PyAV; install it with: {install_command('av')}") from None
    return av


def _av_info(path: Path) -> AudioInfo:
    av = _av_module(path)
    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            if stream.duration is not None:
                seconds = float(stream.duration * stream.time_base)
            else:
                seconds = (container.duration or 0) / av.time_base
            return AudioInfo(seconds, stream.rate, stream.channels)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise _not_audio(path, error) from None


def _av_blocks(
    path: Path, offset: float, duration: float | None, block_seconds: float, channel: int | None
) -> Iterator[tuple[int, Samples]]:
    av = _av_module(path)
    end = None if duration is None else offset + duration
    try:
        with av.open(str(path)) as container:
            converter = av.AudioResampler(format="fltp", layout="mono" if channel is None else None)
            pending: list[Samples] = []
            position = held = rate = 0
            for decoded in container.decode(audio=0):
                for frame in converter.resample(decoded):
                    rate = frame.sample_rate
                    planes = np.asarray(frame.to_ndarray(), dtype=np.float32)
                    samples = one_channel(planes.T, 0 if channel is None else channel, str(path))
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
                yield rate, np.concatenate(pending)
            elif offset > 0 and rate and position <= offset * rate:
                raise AudioError(
                    f"{path}: offset {offset} s is past its end at {position / rate:.2f} s; correct the manifest."
                )
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise _not_audio(path, error) from None
