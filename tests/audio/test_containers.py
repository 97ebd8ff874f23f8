"""Files of several recordings, files that break off, streams of unknown length, and names that say something else."""

from __future__ import annotations

import builtins
import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio.containers import read_layout
from asr.audio.read import audio_info, read_audio
from asr.errors import AudioError
from tests.conftest import speech_like

RATE = 16000


def _written(path: Path, seconds: float = 2.0, rate: int = RATE, seed: int = 0, **options: str) -> bytes:
    soundfile.write(path, speech_like(seconds, rate, seed), rate, **options)
    return path.read_bytes()


KINDS = [
    ("a.ogg", {"format": "OGG", "subtype": "VORBIS"}),
    ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
    ("a.flac", {"format": "FLAC"}),
    ("a.mp3", {"format": "MP3"}),
]


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_all_recordings_of_a_file_are_read(tmp_path, name, options):
    first, second = tmp_path / f"1{name}", tmp_path / f"2{name}"
    _written(first, 2.0, **options)
    _written(second, 1.0, 48000, seed=3, **options)
    both = tmp_path / name
    both.write_bytes(first.read_bytes() + second.read_bytes())
    expected = np.concatenate([read_audio(first), read_audio(second)])
    assert np.array_equal(read_audio(both), expected)
    assert audio_info(both).duration == pytest.approx(audio_info(first).duration + audio_info(second).duration)
    part = read_audio(both, 2.25, 0.5)  # within the second one
    begin = audio_info(first).duration
    assert np.allclose(part, read_audio(second, 2.25 - begin, 0.5), atol=0.02)
    assert len(read_audio(both, 1.5, 1.0)) == pytest.approx(RATE, abs=2)  # of both
    with pytest.raises(AudioError, match="past its end"):
        read_audio(both, 9.0)


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.aiff", {}), ("a.au", {}), ("a.w64", {}), ("a.caf", {}), ("a.rf64", {"format": "RF64"}),
     ("a.sph", {"format": "NIST"}), ("b.wav", {"subtype": "IMA_ADPCM"}), KINDS[0], KINDS[1], KINDS[3]],
)  # fmt: skip
def test_a_file_that_breaks_off_is_refused_unless_partial(tmp_path, name, options):
    path = tmp_path / name
    data = _written(path, 20.0, **options)
    whole = read_audio(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match="ends early"):
        read_audio(path)
    partial = read_audio(path, partial=True)
    assert 0.2 * len(whole) < len(partial) < 0.8 * len(whole)


def _without_total(data: bytes) -> bytes:
    """A FLAC file whose header does not say how many samples follow, as ffmpeg writes it into a pipe."""
    place = data.index(b"fLaC") + 8 + 10  # rate, channels and bits come before the 36 bits of the total
    (value,) = struct.unpack(">Q", data[place : place + 8])
    return data[:place] + struct.pack(">Q", value & ~((1 << 36) - 1)) + data[place + 8 :]


def test_flac_that_was_streamed_is_read_to_its_last_sample(tmp_path):
    data = _written(tmp_path / "a.flac", 3.0)
    expected = read_audio(tmp_path / "a.flac")
    streamed = tmp_path / "streamed.flac"
    streamed.write_bytes(_without_total(data))
    assert np.array_equal(read_audio(streamed), expected)
    assert np.array_equal(read_audio(streamed, 1.5, 0.5), expected[24000:32000])
    assert audio_info(streamed).duration == 3.0
    assert audio_info(streamed, measure=False).duration == 0.0
    with pytest.raises(AudioError, match=r"past its end at 3\.00 s"):
        read_audio(streamed, 5.0)


@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.raw", "a"])
def test_the_content_says_what_a_file_is(tmp_path, monkeypatch, name):
    _written(tmp_path / "a.wav")
    expected = read_audio(tmp_path / "a.wav")
    path = (tmp_path / "a.wav").rename(tmp_path / name)
    real = builtins.__import__

    def without_av(module: str, *arguments: object, **options: object) -> object:
        if module == "av":
            raise ImportError
        return real(module, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_av)
    assert np.array_equal(read_audio(path), expected)


def test_samples_without_a_header_are_refused_in_a_sentence(tmp_path):
    (tmp_path / "a.raw").write_bytes(np.random.default_rng(0).bytes(4000))
    with pytest.raises(AudioError, match="not audio"):
        read_audio(tmp_path / "a.raw")


@pytest.mark.skipif(sys.platform != "linux", reason="only there a file's name may be any bytes")
@pytest.mark.parametrize("ending", [b".wav", b".m4a"])
def test_a_name_that_is_no_unicode_is_read(tmp_path, ending):
    _written(tmp_path / "a.wav")
    if ending == b".m4a":
        subprocess.run(
            [sys.executable, "-c", _M4A, tmp_path / "a.m4a"], check=True, cwd=Path(__file__).parents[2]
        )  # in another process: PyAV's encoder
    path = os.fsencode(tmp_path / "a") + b"\xff" + ending
    os.rename(os.fsencode(tmp_path / "a") + ending, path)
    assert len(read_audio(os.fsdecode(path))) > 1.5 * RATE


_M4A = """
import sys, av
from tests.conftest import speech_like
with av.open(sys.argv[1], "w", format="mp4") as container:
    stream = container.add_stream("aac", rate=16000)
    frame = av.AudioFrame.from_ndarray(speech_like(2.0)[None], format="fltp", layout="mono")
    frame.sample_rate = 16000
    for packet in [*stream.encode(frame), *stream.encode(None)]:
        container.mux(packet)
"""


def test_wav_that_holds_mp3_is_not_taken_for_cut_short(tmp_path):
    sound = _written(tmp_path / "a.mp3", 2.0)
    # MPEGLAYER3WAVEFORMAT: blocks of one byte, so that its size says nothing about frames
    form = struct.pack("<HHIIHHHHIHHH", 0x55, 1, RATE, 8000, 1, 0, 12, 1, 2, 288, 1, 0)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"fact" + struct.pack("<II", 4, 2 * RATE)
    chunks += b"data" + struct.pack("<I", len(sound)) + sound
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    assert len(read_audio(tmp_path / "a.wav")) > 1.9 * RATE


def test_chunks_that_claim_gigabytes_are_not_read(tmp_path, monkeypatch):
    data = _written(tmp_path / "a.wav")
    at = data.index(b"data")
    claim = b"LIST" + struct.pack("<I", 0xFFFFFFF0) + b"INFO"
    (tmp_path / "a.wav").write_bytes(data[:at] + claim + data[at:])
    from asr.audio import containers

    asked: list[int] = []

    class Counting:
        def __init__(self, path: Path) -> None:
            self.file = path.open("rb")

        def read(self, size: int = -1) -> bytes:
            asked.append(size)
            return self.file.read(size)

        def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
            return self.file.seek(place, whence)

        def tell(self) -> int:
            return self.file.tell()

    assert containers._wav_data(Counting(tmp_path / "a.wav")) is None  # type: ignore[arg-type]
    assert max(asked) < 100
    assert min(asked) >= 0


class _Strict(io.BytesIO):
    """A file that refuses places beyond its end, as file systems do far beyond it."""

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and place > len(self.getbuffer()):
            raise OSError(22, "Invalid argument")
        return super().seek(place, whence)


@pytest.mark.parametrize(("size", "expected"), [(1 << 59, None), (24 + 16, 64)])
def test_a_chunk_that_claims_to_go_far_beyond_the_end_is_the_last(size, expected):
    from asr.audio import containers

    claim = struct.pack("<16sQ", b"fact", size) + bytes(16)
    file = _Strict(bytes(40) + claim + struct.pack("<16sQ", b"data", 24 + 64) + bytes(64))
    assert containers._w64_data(file) == expected


def test_a_damaged_file_makes_pyav_print_nothing(tmp_path):
    pytest.importorskip("av", reason="needs the extra av")
    from asr.audio.read_av import _File

    (tmp_path / "a").write_bytes(b"abc")
    with _File(tmp_path / "a") as file:
        assert (file.seek(-1), file.seek(1 << 70), file.seek(1), file.read()) == (-1, -1, 1, b"bc")


@pytest.mark.parametrize(("rate", "channels"), [(3, 1), (4_000_000_000, 1), (16000, 65535)])
def test_headers_that_no_recording_has_are_refused(tmp_path, rate, channels):
    data = bytearray(_written(tmp_path / "a.wav"))
    data[22:28] = struct.pack("<HI", channels, rate)
    (tmp_path / "a.wav").write_bytes(bytes(data))
    with pytest.raises(AudioError):
        read_audio(tmp_path / "a.wav")


def test_an_mp3_that_breaks_off_within_its_first_frame_is_refused(make_wav, tmp_path):
    data = make_wav("a.mp3", 1.0).read_bytes()
    assert b"Xing" in data[:64] or b"Info" in data[:64]
    path = tmp_path / "short.mp3"
    for size in range(1, 60):
        path.write_bytes(data[:size])
        with pytest.raises(AudioError):
            read_audio(path)


def _frames(mp3: bytes) -> bytes:
    """An mp3 without its first frame, the one with the Xing header."""
    return mp3[mp3.index(mp3[:2], 30) :]


def _loud_then_quiet(path: Path, rate: int = RATE, channels: int = 1) -> bytes:
    """An mp3 of variable bit rate: 20 s of noise, 20 s of silence. By its first frame it would take half its time."""
    sound = np.zeros((40 * rate, channels), np.float32)
    sound[: 20 * rate] = 0.3 * np.random.default_rng(0).standard_normal((20 * rate, channels))
    soundfile.write(path, sound, rate, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    return path.read_bytes()


@pytest.mark.parametrize(("rate", "channels"), [(RATE, 1), (44100, 2)])
def test_an_mp3_of_variable_bit_rate_without_xing_header_is_read_whole(tmp_path, rate, channels):
    path = tmp_path / "a.mp3"
    mp3 = _loud_then_quiet(path, rate, channels)
    whole = read_audio(path)
    path.write_bytes(_frames(mp3))
    found = read_audio(path)
    assert len(found) == pytest.approx(len(whole), abs=0.1 * RATE)
    assert audio_info(path).duration == pytest.approx(len(found) / RATE, abs=0.001)
    part = read_audio(path, 15.0, 10.0)  # the noise ends where it ends in the whole
    assert np.abs(part[: int(4.8 * RATE)]).max() > 0.1 > np.abs(part[int(5.2 * RATE) :]).max()
    tag = b"ID3\x04\0\0" + bytes([0, 0, 40, 0]) + bytes(40 * 128)
    path.write_bytes(_frames(mp3) + tag + _frames(mp3) + b"TAG" + bytes(125))
    assert len(read_audio(path)) == pytest.approx(2 * len(whole), abs=0.2 * RATE)


@pytest.mark.parametrize("rate", [RATE, 48000])
def test_an_mp3_without_xing_header_after_one_with_it_is_read(tmp_path, rate):
    first, second = _written(tmp_path / "a.mp3", 3.0), _written(tmp_path / "b.mp3", 2.0, rate, seed=1)
    path = tmp_path / "c.mp3"
    path.write_bytes(first + _frames(second))
    assert len(read_audio(path)) == pytest.approx(5.0 * RATE, abs=0.2 * RATE)


@pytest.mark.parametrize("flags", [0, 1, 2, 3])
def test_an_mp3_whose_xing_header_counts_no_frames_is_read_whole(tmp_path, flags):
    path = tmp_path / "a.mp3"
    mp3 = bytearray(_loud_then_quiet(path))
    mark = max(mp3.find(b"Xing"), mp3.find(b"Info"))
    mp3[mark + 4 : mark + 16] = struct.pack(">III", flags, 0, 0)
    path.write_bytes(mp3)
    assert len(read_audio(path)) == pytest.approx(40 * RATE, abs=0.2 * RATE)


def test_a_tag_amid_an_mp3_is_passed_over(tmp_path):
    path = tmp_path / "a.mp3"
    mp3 = _written(path, 6.0)
    whole = read_audio(path)
    middle = mp3.index(mp3[:2], len(mp3) // 2)
    path.write_bytes(mp3[:middle] + b"TAG" + bytes(125) + mp3[middle:])
    assert np.array_equal(read_audio(path), whole)


def test_an_mp3_with_a_hole_in_which_the_decoder_stops_without_a_word_is_refused(tmp_path):
    path = tmp_path / "a.mp3"
    stranger = _frames(_written(path, 1.0, 44100))[:200]  # a frame of another rate, and not followed by its like
    mp3 = _written(path, 20.0)
    middle = mp3.index(mp3[:2], len(mp3) // 2)
    path.write_bytes(mp3[:middle] + bytes(200) + stranger + bytes(5000) + mp3[middle:])
    with pytest.raises(AudioError, match="ends early"):
        read_audio(path)


def _page_checksum(page: bytes) -> bytes:
    """RFC 3533, chapter 6, bit by bit."""
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum >> 31 else 0)) & 0xFFFFFFFF
    return checksum.to_bytes(4, "little")


def _with_jitter(ogg: bytes, samples: int) -> bytes:
    """An Opus file in which every second page, but the last, says a time that is so much (at 48 kHz) too late."""
    pages = [bytearray(b"OggS" + rest) for rest in ogg.split(b"OggS")[1:]]
    for page in pages[2:-1:2]:
        time = int.from_bytes(page[6:14], "little") + samples
        page[6:14], page[22:26] = time.to_bytes(8, "little"), bytes(4)
        page[22:26] = _page_checksum(page)
    return b"".join(pages)


def test_opus_whose_pages_tell_jittering_times_is_read_whole(tmp_path):
    path = tmp_path / "a.opus"
    ogg = _written(path, 7.0, 48000, format="OGG", subtype="OPUS")
    whole, info = read_audio(path), audio_info(path)
    assert whole.size == 7 * RATE
    path.write_bytes(_with_jitter(ogg, 489))
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(path)
    assert np.array_equal(read_audio(path), whole)
    assert audio_info(path) == info
    assert np.allclose(read_audio(path, 3.5, 2.0), whole[int(3.5 * RATE) : int(5.5 * RATE)], atol=0.02)
    path.write_bytes(ogg + ogg)
    twice = read_audio(path)
    path.write_bytes(_with_jitter(ogg, 489) + ogg)
    assert np.array_equal(read_audio(path), twice)


def test_gaps_in_the_times_of_opus_stay(tmp_path):
    path = tmp_path / "a.opus"
    ogg = _written(path, 7.0, 48000, format="OGG", subtype="OPUS")
    *before, last = [b"OggS" + rest for rest in ogg.split(b"OggS")[1:]]
    path.write_bytes(b"".join(before[:-1]) + last)  # a page is lost
    assert read_layout(path).parts[0].patches == ()
