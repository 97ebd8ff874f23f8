"""What PyAV (the extra `av`) reads: m4a, mp4, webm, and whatever else ffmpeg knows and soundfile does not."""

from __future__ import annotations

import io
import os
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
    """Duration in seconds (0 where the container does not say), sample rate in Hz and channels. Raises AudioError."""
    with _opened(path) as (container, stream):
        return _seconds(container, stream), stream.rate, stream.channels


def _seconds(container: Any, stream: Any) -> float:
    if stream.duration is not None and stream.time_base:
        return max(0.0, float(stream.duration * stream.time_base))
    return max(0.0, (container.duration or 0) / 1e6)  # in microseconds


def av_blocks(
    path: Path, offset: float, duration: float | None, block_seconds: float, partial: bool, mono: bool = True
) -> Iterator[tuple[int, Samples]]:
    """Sample rates and blocks of samples of `duration` seconds from `offset` seconds on.

    mono: blocks are (time,), the mean of the channels; else (time, channels).

    Raises AudioError for what cannot be read, holds less than it promises (unless `partial`), or has its offset past
    the end.
    """
    import av

    end = None if duration is None else offset + duration
    pending: list[Samples] = []
    position = held = rate = 0
    with _opened(path) as (container, stream):
        promised = _seconds(container, stream)
        converter = av.AudioResampler(format="fltp", layout="mono" if mono else None)
        for decoded in container.decode(audio=0):
            for frame in converter.resample(decoded):
                rate = frame.sample_rate
                if not SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1]:
                    raise AudioError(f"{path} cannot be used: its header says {rate} Hz; is it damaged?")
                planes = np.asarray(frame.to_ndarray(), dtype=np.float32)
                samples = planes[0] if mono else planes.T
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
        if not rate:
            raise AudioError(f"{path} holds no sound that can be decoded; convert it to wav or flac.")
        seconds = position / rate
        if offset > 0 and seconds <= offset:
            raise AudioError(f"{path}: offset {offset} s is past its end at {seconds:.2f} s; correct the manifest.")
        wanted = promised if end is None else min(end, promised)
        if not partial and wanted - seconds > max(MISSING_SECONDS, MISSING_SHARE * wanted):
            raise AudioError(
                f"{path} ends early: its header promises {wanted:.2f} s and {seconds:.2f} s can be read; "
                "copy it again, or set `partial` to use what is there."
            )
