"""Audio from wherever a caller has it: a path, the bytes of a file, an open file, or samples."""

from __future__ import annotations

import math
import numbers
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import BLOCK_SECONDS, SAMPLE_RATE, Samples, audio_info, one_channel, read_blocks, resample
from asr.audio.spool import Waiting, is_stream, spooled
from asr.errors import AudioError, ConfigError

AudioSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | NDArray[np.generic]
"""A path; the content of an audio file, as bytes or as an open binary file; or samples (time,) or (time, channels)."""

UNNAMED = "audio"
MAX_CHANNELS = 64
LOUDEST = 8.0  # samples of floating point beyond are integers that were not scaled


@dataclass(frozen=True)
class OpenAudio:
    """Audio that is ready to be read once.

    name: as the caller gave it. duration: in seconds as far as the header says, 0 if it does not. blocks: mono samples
    (time,), in order.
    """

    name: str
    duration: float
    blocks: Iterator[Samples]


def load_audio(
    source: AudioSource, *, rate: int | None = None, sample_rate: int = SAMPLE_RATE, partial: bool = False
) -> Samples:
    """Mono samples (time,) at `sample_rate` Hz, as float32 in -1..1.

    rate: of samples that are passed in, in Hz. partial: take what can be read of a file that ends early. Raises
    AudioError for what cannot be read, ConfigError for an impossible rate.
    """
    sample_rate = checked_rate("sample_rate", sample_rate)
    with open_audio(source, rate=rate, sample_rate=sample_rate, partial=partial) as audio:
        blocks = list(audio.blocks)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


@contextmanager
def open_audio(
    source: AudioSource,
    *,
    rate: int | None = None,
    name: str | None = None,
    sample_rate: int = SAMPLE_RATE,
    partial: bool = False,
    waiting: Waiting = lambda: None,
) -> Iterator[OpenAudio]:
    """Audio of any source, read block by block at `sample_rate` Hz.

    rate: of samples that are passed in, in Hz. name: what to call the audio in results and messages. partial: take what
    can be read of a file that ends early. waiting: called several times a second while a pipe gives nothing; what it
    raises ends the reading.

    Bytes and open files go through a temporary file, which only the user can read and which is removed afterwards: thus
    they have every format and every check that files have, and a long recording never lies in memory as a whole.
    """
    with _located(source, rate, name, waiting) as (place, label):
        yield _opened(place, label, rate, sample_rate, partial, None)


@contextmanager
def open_channels(
    source: AudioSource,
    *,
    rate: int | None = None,
    name: str | None = None,
    sample_rate: int = SAMPLE_RATE,
    partial: bool = False,
    waiting: Waiting = lambda: None,
) -> Iterator[list[OpenAudio]]:
    """Each channel of a recording as audio of its own, in order. Arguments and errors as in `open_audio`."""
    with _located(source, rate, name, waiting) as (place, label):
        if isinstance(place, Path):
            with _named(place, label):
                channels = audio_info(place).channels
        else:
            channels = 1 if place.ndim == 1 else place.shape[1]
        yield [_opened(place, label, rate, sample_rate, partial, channel) for channel in range(channels)]


def is_url(path: str) -> bool:
    """Whether a path is the address of something on a network."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path) is not None


def url_refused(path: str) -> AudioError:
    """The error that says that a URL is no path."""
    return AudioError(f"{path} is a URL, and nothing is downloaded here: fetch the file and give its path.")


@contextmanager
def _located(
    source: AudioSource, rate: int | None, name: str | None, waiting: Waiting
) -> Iterator[tuple[Path | NDArray[np.generic], str]]:
    """The file that audio lies in, for the length of the block, or its samples; and its name."""
    if isinstance(source, str | os.PathLike):
        _refuse_rate(rate)
        if is_url(os.fspath(source)):
            raise url_refused(os.fspath(source))
        if not os.fspath(source):  # of which `Path` would make the folder "."
            raise AudioError("an empty path names no audio file.")
        path = Path(source)
        if is_stream(path):
            with spooled(path, name or str(source), waiting) as copy:
                yield copy, name or str(source)
        else:
            yield path, name or os.fspath(source)
    elif isinstance(source, bytes | bytearray | memoryview):
        _refuse_rate(rate)
        with spooled(bytes(source), name or UNNAMED) as copy:
            yield copy, name or UNNAMED
    elif not isinstance(source, np.ndarray) and hasattr(source, "read"):
        _refuse_rate(rate)
        given = getattr(source, "name", None)
        label = name or (given if isinstance(given, str) else UNNAMED)
        with spooled(source, label, waiting) as copy:
            yield copy, label
    else:
        yield as_array(source, name or UNNAMED), name or UNNAMED


def _opened(
    place: Path | NDArray[np.generic], name: str, rate: int | None, sample_rate: int, partial: bool, channel: int | None
) -> OpenAudio:
    if not isinstance(place, Path):
        samples = to_mono(place, rate, name, channel)
        assert rate is not None
        rate = int(rate)  # a duration of NumPy's float32 could not be written as JSON
        return OpenAudio(name, len(samples) / rate, _blocks(resample(samples, rate, sample_rate), sample_rate))
    with _named(place, name):
        duration = audio_info(place, measure=False).duration
    return OpenAudio(name, duration, _named_blocks(place, name, sample_rate, partial, channel))


def _named_blocks(path: Path, name: str, sample_rate: int, partial: bool, channel: int | None) -> Iterator[Samples]:
    with _named(path, name):
        yield from read_blocks(path, sample_rate=sample_rate, partial=partial, channel=channel)


@contextmanager
def _named(path: Path, name: str) -> Iterator[None]:
    """Errors that speak of the caller's audio, not of the temporary file it lies in."""
    try:
        yield
    except AudioError as error:
        text, shown = str(error), str(path)
        if text.startswith(shown):
            text = name + text.removeprefix(shown)
        elif path.is_absolute():  # a relative one may be as short as a word of the sentence
            text = text.replace(shown, name)
        raise AudioError(text) from None


def _refuse_rate(rate: int | None) -> None:
    if rate is not None:
        raise ConfigError("`rate` is for samples; an audio file says its sample rate itself.")


def as_array(samples: Any, name: str) -> NDArray[np.generic]:
    """Samples as an array. Raises AudioError for what NumPy cannot take, such as a tensor of bfloat16.

    name: of the audio, for messages.
    """
    try:
        return np.asarray(samples)
    except (TypeError, ValueError, RuntimeError):
        raise AudioError(
            f"{name} cannot be read as an array of samples; give a NumPy array, of a tensor "
            "`tensor.detach().cpu().float().numpy()`."
        ) from None


def to_mono(values: NDArray[np.generic], rate: int | None, name: str, channel: int | None = None) -> Samples:
    """Samples (time,) or (time, channels) of any kind as mono float32 in -1..1: their mean, or one channel, from 0.

    Raises ConfigError for an impossible rate, AudioError for what are no samples; name: of the audio, for messages.
    """
    if values.dtype.kind not in "fiu":
        raise AudioError(f"{name} is neither a path, bytes, an open file nor an array of samples.")
    if rate is None:
        raise ConfigError("samples need their sample rate in Hz: give `rate`.")
    checked_rate("rate", rate)
    if values.ndim not in (1, 2) or (values.ndim == 2 and not 0 < values.shape[1] <= MAX_CHANNELS):
        raise AudioError(f"{name} has the shape {values.shape}; samples must be (time,) or (time, channels).")
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what is infinite then is said to be so
            samples = values.astype(np.float32)
        if not np.isfinite(samples).all():
            raise AudioError(f"{name} holds NaN or infinite samples.")
        if np.abs(samples).max(initial=0.0) > LOUDEST:
            raise AudioError(f"{name} has samples far beyond -1..1; divide integers by their full scale.")
    elif values.dtype.itemsize == 8:  # what lists of 16-bit samples become
        raise AudioError(f"{name} has samples of 64 bits, whose full scale nobody uses; give int16, int32 or floats.")
    else:
        full = 2.0 ** (8 * values.dtype.itemsize - 1)
        middle = full if values.dtype.kind == "u" else 0.0
        samples = ((values.astype(np.float64) - middle) / full).astype(np.float32)
    return one_channel(samples, channel, name)


def checked_rate(name: str, rate: float) -> int:
    """A sample rate as a number of Hz. Raises ConfigError for an impossible one; name: as the caller knows it."""
    if not isinstance(rate, numbers.Real) or not math.isfinite(rate) or rate != int(rate) or rate <= 0:
        raise ConfigError(f"`{name}` must be a whole number of Hz above 0, not {rate!r}.")
    return int(rate)


def _blocks(samples: Samples, sample_rate: int) -> Iterator[Samples]:
    step = int(BLOCK_SECONDS * sample_rate)
    for start in range(0, len(samples), step):
        yield samples[start : start + step]
