"""Opus in parts against libsndfile's reading of the whole."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
import soundfile

from asr.audio.opus import RATE, OggOpus, OpusPackets
from asr.errors import AudioError

av = pytest.importorskip("av", reason="needs the extra av")


def recording(seconds: float = 2.5, channels: int = 1) -> np.ndarray:
    """Noise in bands and a tone that glides, (time, channels)."""
    dice = np.random.default_rng(0)
    time = np.arange(int(seconds * RATE)) / RATE
    glide = 0.3 * np.sin(2 * np.pi * (200 + 400 * time) * time)
    return np.stack([glide + 0.02 * dice.normal(size=len(time))] * channels, axis=1)


def ogg(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="OGG", subtype="OPUS")
    return file.getvalue()


def decoded(data: bytes, sizes) -> np.ndarray:
    stream, parts, at = OggOpus(), [np.zeros(0, np.float32)], 0
    while at < len(data):
        size = sizes()
        parts += stream.decode(data[at : at + size])
        at += size
    return np.concatenate(parts)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_stream_in_parts_gives_what_libsndfile_reads(channels):
    data = ogg(recording(channels=channels))
    expected = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].mean(axis=1)
    dice = random.Random(0)
    whole = decoded(data, lambda: len(data))
    assert len(expected) <= len(whole) <= len(expected) + RATE // 8
    assert np.abs(whole[: len(expected)] - expected).max() < 0.01  # FFmpeg's decoder and Xiph's are not bit-exact
    assert np.corrcoef(whole[: len(expected)], expected)[0, 1] > 0.9999
    for sizes in (lambda: 1, lambda: dice.randrange(1, 5000)):
        assert np.array_equal(decoded(data, sizes), whole)


def test_two_streams_one_after_the_other():
    data = ogg(recording(1.0))
    one = decoded(data, lambda: len(data))
    both = decoded(data + data, lambda: 1000)
    assert np.allclose(both, np.concatenate([one, one]), atol=1e-6)


def test_single_packets_are_those_of_the_container():
    data = ogg(recording(1.0))
    with av.open(io.BytesIO(data)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0)]
    decoder = OpusPackets()
    samples = np.concatenate([decoder.decode(packet) for packet in packets])
    skip = int.from_bytes(data[data.index(b"OpusHead") + 10 :][:2], "little")
    assert np.array_equal(samples[skip:], decoded(data, lambda: len(data)))


def test_the_gain_of_the_header_is_applied():
    data = bytearray(ogg(recording(0.5)))
    plain = decoded(bytes(data), lambda: len(data))
    at = data.index(b"OpusHead") + 16
    data[at : at + 2] = (-6 * 256).to_bytes(2, "little", signed=True)
    assert np.allclose(decoded(bytes(data), lambda: len(data)), plain * 10 ** (-6 / 20), atol=1e-6)


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF" + bytes(100),
        ogg(recording(0.2)).replace(b"OpusHead\x01\x01", b"OpusHead\x01\x05"),
        ogg(recording(0.2)).replace(b"OpusHead\x01\x01", b"OpusHead\xff\x01"),
    ],
)
def test_what_is_no_stream_of_opus_is_refused(data):
    with pytest.raises(AudioError):
        decoded(data, lambda: 64)


def test_random_bytes_are_refused_or_decoded():
    dice = random.Random(1)
    decoder, refused, good = OpusPackets(), 0, ogg(recording(0.3))
    for _ in range(300):
        try:
            samples = decoder.decode(dice.randbytes(dice.randrange(200)))
            assert np.isfinite(samples).all()
        except AudioError:
            refused += 1
        spoilt = bytearray(good)
        for _ in range(dice.choice((1, 3, 10))):
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        try:
            assert np.isfinite(decoded(bytes(spoilt), lambda: 500)).all()
        except AudioError:
            refused += 1
    assert refused
