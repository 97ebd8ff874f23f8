"""Audio that is still coming."""

from __future__ import annotations

import io
import struct
import sys
import time
from itertools import islice
from types import ModuleType

import numpy as np
import pytest
import soundfile

from asr.audio.live import read_microphone, read_pipe, short_blocks
from asr.errors import AudioError, MissingPackageError


class SlowPipe(io.BytesIO):
    """Gives a few bytes at a time, as pipes do."""

    def read1(self, size=-1):
        return super().read1(min(size, 777))

    def read(self, size=-1):
        return super().read(min(size, 5) if size >= 0 else size)


@pytest.mark.parametrize(
    ("subtype", "channels", "kind"),
    [("PCM_16", 1, "i"), ("PCM_16", 2, "i"), ("PCM_32", 1, "i"), ("FLOAT", 2, "f"), ("DOUBLE", 1, "f")],
)
def test_a_wav_from_a_pipe_gives_its_samples_as_they_come(subtype, channels, kind):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (5000, channels))
    file = io.BytesIO()
    soundfile.write(file, samples, 22050, subtype, format="WAV")
    rate, blocks = read_pipe(SlowPipe(file.getvalue()), None, "pipe")
    blocks = list(blocks)
    joined = np.concatenate(blocks)
    assert rate == 22050
    assert len(blocks) > 3
    assert joined.dtype.kind == kind
    scale = 2.0 ** (8 * joined.dtype.itemsize - 1) if kind == "i" else 1.0
    assert np.allclose(joined.reshape(-1, channels) / scale, samples, atol=1e-4)


@pytest.mark.parametrize(("size", "expected"), [(4000, 2000), (0, 2054), (0xFFFFFFFF, 2054), (0x7FFFFFFF, 2054)])
def test_chunks_behind_the_samples_of_a_wav_are_no_sound(size, expected):
    """But a size that programs write where they do not know it says nothing."""
    file = io.BytesIO()
    soundfile.write(file, np.full(2000, 0.1), 8000, format="WAV")
    data = bytearray(file.getvalue())
    place = data.index(b"data") + 4
    data[place : place + 4] = struct.pack("<I", size)
    rest = b"LIST" + struct.pack("<I", 100) + bytes(100)
    _, blocks = read_pipe(SlowPipe(bytes(data) + rest), None, "pipe")
    assert sum(map(len, blocks)) == expected


def test_raw_samples_need_their_rate_and_lose_at_most_half_a_sample():
    values = np.arange(-1000, 1000, dtype="<i2")
    rate, blocks = read_pipe(SlowPipe(values.tobytes() + b"x"), 8000, "pipe")
    assert rate == 8000
    assert np.array_equal(np.concatenate(list(blocks)), values)
    with pytest.raises(AudioError, match=r"pipe does not begin like a WAV file; give the `rate`"):
        read_pipe(SlowPipe(values.tobytes()), None, "pipe")


@pytest.mark.parametrize(
    "header",
    [
        b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8) + b"data\0\0\0\0",  # 8 bits
        b"RIFF\0\0\0\0WAVEdata\0\0\0\0",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff",
        b"",
    ],
)
def test_a_header_that_says_nothing_useful_is_refused(header):
    with pytest.raises(AudioError):
        read_pipe(SlowPipe(header), None, "pipe")


def test_a_file_comes_no_faster_than_it_was_spoken():
    start = time.monotonic()
    blocks = list(short_blocks([np.zeros(2500, np.float32), np.zeros(1500, np.float32)], 10_000, real_time=True))
    assert [len(block) for block in blocks] == [1000, 1000, 500, 1000, 500]
    assert time.monotonic() - start >= 0.4
    assert sum(len(block) for block in short_blocks([np.zeros(2500, np.float32)], 10_000)) == 2500


@pytest.fixture
def sounddevice(monkeypatch):
    """Stands in for the package: its microphone hears three blocks."""
    module = ModuleType("sounddevice")

    class InputStream:
        def __init__(self, *, samplerate, channels, dtype, device, blocksize, callback):
            if device == "none":
                raise ValueError("no such device")
            self.blocksize, self.callback = blocksize, callback
            module.asked = samplerate, channels, dtype, device

        def __enter__(self):
            for number in range(3):
                self.callback(np.full((self.blocksize, 1), number / 10, np.float32), self.blocksize, None, None)

        def __exit__(self, *error):
            module.closed = True

    module.InputStream, module.PortAudioError = InputStream, RuntimeError
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_a_microphone_is_heard_block_by_block_and_closed(sounddevice):
    blocks = read_microphone(16000, "3")
    heard = list(islice(blocks, 3))
    assert [float(block[0]) for block in heard] == pytest.approx([0.0, 0.1, 0.2])
    assert all(block.shape == (1600,) for block in heard)
    assert sounddevice.asked == (16000, 1, "float32", 3)
    blocks.close()
    assert sounddevice.closed
    with pytest.raises(AudioError, match="choose another by `device`"):
        next(read_microphone(16000, "none"))


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingPackageError, match="microphones need sounddevice; install it with: pip install"):
        next(read_microphone(16000))
