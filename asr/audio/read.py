"""Audio files to 16 kHz mono float32 samples, whole or block by block.

soundfile reads wav, flac, ogg, opus, mp3 and more; PyAV (the extra `av`) reads what soundfile cannot (m4a, mp4, webm);
soxr resamples. Nothing here keeps more than a block in memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from asr.audio.containers import SIZE_SLACK, data_size, is_for_av
from asr.audio.read_av import av_blocks, av_info, has_av
from asr.audio.read_soundfile import soundfile_blocks, soundfile_info
from asr.errors import AudioError

SAMPLE_RATE = 16000
BLOCK_SECONDS = 30.0
CANCELLED = 0.01  # of the channels' mean power, what is left in their mean where they cancel; of noises 1 / channels
# Names of recordings in folders. Not .ts, which is a program's text more often.
AV_EXTENSIONS = frozenset([
    ".3gp", ".aac", ".ac3", ".amr", ".avi", ".flv", ".m2ts", ".m4a", ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp4",
    ".mpeg", ".mpg", ".mts", ".ogv", ".spx", ".webm", ".wma", ".wmv",
])  # fmt: skip
SOUNDFILE_EXTENSIONS = frozenset([
    ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp2", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".sph", ".w64",
    ".wav",
])  # fmt: skip
AUDIO_EXTENSIONS = SOUNDFILE_EXTENSIONS | AV_EXTENSIONS
Samples = NDArray[np.float32]


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says: duration in seconds, sample rate in Hz, channels."""

    duration: float
    sample_rate: int
    channels: int


def audio_info(path: str | Path, measure: bool = True) -> AudioInfo:
    """Duration, sample rate and channels from the header, without decoding. Raises AudioError.

    measure: where the header does not say the duration (a FLAC file that was streamed), decode to find out; else the
    duration of such a file is 0.
    """
    path = _checked(path)
    if _needs_av(path):
        return AudioInfo(*av_info(path))
    try:
        return AudioInfo(*soundfile_info(path, measure))
    except AudioError:
        if _readable_by_av(path):
            return AudioInfo(*av_info(path))
        raise


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
    if _needs_av(path) or not _opens(path):
        size = data_size(path)
        if size is not None and size.missing > SIZE_SLACK and not partial:
            raise AudioError(
                f"{path} ends early: its header promises {size.promised} bytes of sound, of which {size.missing} are "
                "missing; copy it again, or set `partial` to use what is there."
            )
        source = av_blocks(path, offset, duration, block_seconds, partial, mono=channel is None)
    else:
        source = soundfile_blocks(path, offset, duration, block_seconds, partial)
    yield from _resampled(path, source, sample_rate, channel)


def _resampled(
    path: Path, source: Iterator[tuple[int, Samples]], sample_rate: int, channel: int | None
) -> Iterator[Samples]:
    resampler: soxr.ResampleStream | None = None
    before = sample_rate
    for rate, block in source:
        # A sum of squares is finite only if all its terms are numbers, and none is beyond 1e19: no temporary array.
        if not np.isfinite(np.vdot(block, block)):
            raise AudioError(f"{path} holds NaN or infinite samples; export it again from its source.")
        mono = one_channel(block, channel, str(path))
        if rate != before:  # at the beginning, or in a file of several recordings
            if resampler is not None:
                yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            same = rate == sample_rate
            resampler = None if same else soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
            before = rate
        yield mono if resampler is None else resampler.resample_chunk(mono)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def one_channel(samples: Samples, channel: int | None, name: str) -> Samples:
    """Samples (time,) of (time,) or (time, channels): the mean of the channels, or one of them by number, from 0.

    Channels that cancel each other, as where one was recorded with its wires exchanged, have no mean worth hearing: the
    loudest is taken. Raises AudioError where there is no such channel; name: of the recording, for the message.
    """
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    if channel is not None and not 0 <= channel < channels:
        raise AudioError(f"{name} has {channels} {'channel' if channels == 1 else 'channels'}, not {channel + 1}.")
    if samples.ndim == 1:
        return samples
    if channel is not None:
        return np.ascontiguousarray(samples[:, channel])
    mean: Samples = samples.mean(axis=1, dtype=np.float32)
    if np.vdot(mean, mean) * channels >= CANCELLED * np.vdot(samples, samples):
        return mean
    powers = np.einsum("tc,tc->c", samples, samples)
    return np.ascontiguousarray(samples[:, int(np.argmax(powers))])


def resample(samples: Samples, source_rate: int, target_rate: int) -> Samples:
    """Samples (time,) at another rate (soxr, high quality)."""
    if source_rate == target_rate:
        return samples
    return np.asarray(soxr.resample(samples, source_rate, target_rate, quality="HQ"), dtype=np.float32)


def _checked(path: str | Path) -> Path:
    if not str(path):
        raise AudioError("an empty path names no audio file.")
    path = Path(path)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise AudioError(f"{path} does not exist; check the path.") from None
    except OSError as error:
        raise AudioError(f"{path} cannot be opened: {error.strerror}.") from None
    except ValueError as error:  # a byte 0 in the name
        raise AudioError(f"{str(path)!r} names no file: {error}.") from None
    if path.is_dir():
        raise AudioError(f"{path} is a folder, not an audio file; name the files in it.")
    if size == 0:
        raise AudioError(f"{path} is empty (0 bytes); copy or record it again.")
    if not os.access(path, os.R_OK):
        raise AudioError(f"{path} may not be read: Permission denied.")
    return path


def _needs_av(path: Path) -> bool:
    return is_for_av(path, path.suffix.lower() in AV_EXTENSIONS)


def _readable_by_av(path: Path) -> bool:
    """Whether PyAV can read what soundfile could not."""
    try:
        return has_av() and av_info(path)[1] > 0
    except AudioError:
        return False


def _opens(path: Path) -> bool:
    """Whether soundfile opens a file. Raises AudioError where PyAV does not either."""
    try:
        soundfile_info(path, measure=False)
    except AudioError:
        if _readable_by_av(path):
            return False
        raise
    return True
