"""Audio that is still coming: raw samples or WAV from a pipe, a microphone, a file at the speed of time."""

from __future__ import annotations

import math
import queue
import struct
import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from asr.audio.containers import known_size
from asr.audio.read import Samples
from asr.errors import AudioError
from asr.extras import require

BLOCK_SECONDS = 0.1
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE  # formats in the header of a WAV file
MAX_CHUNK = 1 << 20  # bytes of a header's chunk that is not samples

Block = NDArray[np.generic]  # (time,) or (time, channels)


def read_pipe(file: BinaryIO, rate: int | None, name: str) -> tuple[int, Iterator[Block]]:
    """The rate in Hz and the samples, block by block as they come, of a pipe.

    rate: of raw samples, one channel of 16-bit little-endian integers; None: what comes is a WAV file, perhaps of
    unknown length, whose header says everything. Raises AudioError for what is neither; name: of the source.
    """
    if rate is not None:
        return rate, _blocks(file, rate, 1, "<i2")
    head = _exactly(file, 12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise AudioError(f"{name} does not begin like a WAV file; give the `rate` of raw 16-bit samples.")
    layout = None
    while len(header := _exactly(file, 8)) == 8:
        kind, size = struct.unpack("<4sI", header)
        if kind == b"data":
            if layout is None:
                break
            found, channels, samples = layout
            return found, _blocks(file, found, channels, samples, known_size(size))
        if size > MAX_CHUNK:
            break
        body = _exactly(file, size + size % 2)
        if kind == b"fmt " and len(body) >= 16:
            layout = _layout(body, name)
    raise AudioError(f"{name} has no samples that can be found; is its WAV header whole?")


def _layout(body: bytes, name: str) -> tuple[int, int, str]:
    """Rate, channels and NumPy's name for the samples, from a WAV header."""
    form, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if form == EXTENSIBLE and len(body) >= 26:
        form = struct.unpack("<H", body[24:26])[0]
    known = {(PCM, 16): "<i2", (PCM, 32): "<i4", (FLOAT, 32): "<f4", (FLOAT, 64): "<f8"}
    if (form, bits) not in known or not channels or not rate:
        raise AudioError(f"{name} has samples of a kind that cannot be streamed; send 16-bit integers.")
    return rate, channels, known[form, bits]


def _exactly(file: BinaryIO, size: int) -> bytes:
    """So many bytes, fewer at the end."""
    parts = b""
    while len(parts) < size and (part := file.read(size - len(parts))):
        parts += part
    return parts


def _blocks(file: BinaryIO, rate: int, channels: int, samples: str, size: int | None = None) -> Iterator[Block]:
    """Samples as they come, at most a tenth of a second at once; an incomplete one at the end is left out.

    size: bytes of the samples, behind which the file may have others; None where it is not known.
    """
    frame = np.dtype(samples).itemsize * channels
    read = getattr(file, "read1", file.read)  # read1 returns what is there instead of waiting for more
    rest, left = b"", math.inf if size is None else size
    while part := read(int(min(left, max(1, round(BLOCK_SECONDS * rate)) * frame))):
        rest, left = rest + part, left - len(part)
        whole = len(rest) // frame * frame
        values = np.frombuffer(rest[:whole], samples)
        rest = rest[whole:]
        yield values if channels == 1 else values.reshape(-1, channels)


def read_microphone(rate: int, device: str | None = None) -> Iterator[Samples]:
    """What a microphone hears, block by block (time,), until the caller stops taking blocks.

    device: its number or a part of its name; None for the default one. Raises MissingPackageError without the extra
    `mic`, AudioError where there is no such microphone.
    """
    try:
        sounddevice = require("mic", "sounddevice", "microphones")
    except OSError as error:  # the package is there, PortAudio is not
        raise AudioError(f"the microphone cannot be used ({error}); install PortAudio.") from None
    heard: queue.Queue[Samples] = queue.Queue()
    chosen = int(device) if device is not None and device.isdigit() else device
    try:
        microphone = sounddevice.InputStream(
            samplerate=rate, channels=1, dtype="float32", device=chosen, blocksize=round(BLOCK_SECONDS * rate),
            callback=lambda block, *_: heard.put(block[:, 0].copy()),
        )  # fmt: skip
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(f"the microphone cannot be opened ({error}); choose another by `device`.") from None
    with microphone:
        while True:
            yield heard.get()


def short_blocks(blocks: Iterable[Samples], rate: int, real_time: bool = False) -> Iterator[Samples]:
    """Samples in blocks of a tenth of a second; real_time: each when it would have been heard, not sooner."""
    step = round(BLOCK_SECONDS * rate)
    start, given = time.monotonic(), 0
    for block in blocks:
        for first in range(0, len(block), step):
            part = block[first : first + step]
            given += len(part)
            if real_time:
                time.sleep(max(0.0, start + given / rate - time.monotonic()))
            yield part
