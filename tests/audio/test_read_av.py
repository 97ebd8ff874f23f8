from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from asr.audio.read import audio_info, read_audio, read_blocks, resample
from asr.errors import AudioError
from tests.conftest import speech_like

av = pytest.importorskip("av", reason="PyAV, the extra 'av', is not installed")

RATE = 48000


def _write_video(path, picture_seconds, delay=0.0, pause_at=None, pause=0.0):
    """A video of 2 s of sound that begins at `delay`; at `pause_at` seconds no sound comes for `pause` seconds."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=5)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le" if path.suffix in (".mkv", ".mov") else "aac", rate=RATE)
        sound.layout = "mono"
        packets = []
        for number in range(round(5 * picture_seconds)):
            image = av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), format="yuv420p")
            image.pts, image.time_base = number, Fraction(1, 5)
            packets += picture.encode(image)
        packets += picture.encode(None)
        samples = np.round(speech_like(2.0, RATE) * 32767).astype(np.int16)
        size = sound.codec_context.frame_size or 960
        resampler = av.AudioResampler(format=sound.codec_context.format, layout="mono", rate=RATE)
        for start in range(0, len(samples) - size + 1, size):
            late = delay + (pause if pause_at is not None and start >= pause_at * RATE else 0.0)
            part = av.AudioFrame.from_ndarray(samples[None, start : start + size], format="s16", layout="mono")
            part.sample_rate, part.time_base = RATE, Fraction(1, RATE)
            part.pts = start
            for frame in resampler.resample(part):
                frame.pts, frame.time_base = start + round(late * RATE), Fraction(1, RATE)
                packets += sound.encode(frame)
        packets += sound.encode(None)
        for packet in sorted(packets, key=lambda one: one.dts * one.time_base):
            container.mux(packet)
    return path


@pytest.mark.parametrize("name", ["a.mkv", "a.mov", "a.mp4"])
def test_sound_that_begins_after_the_picture_keeps_its_time(tmp_path, name):
    path = _write_video(tmp_path / name, 5.0, delay=1.5)
    found = read_audio(path)
    expected = np.concatenate([np.zeros(24000, np.float32), resample(speech_like(2.0, RATE), RATE, 16000)])
    assert len(found) == pytest.approx(len(expected), abs=1000)
    assert not found[: 24000 - 1200].any()
    before = np.concatenate([np.zeros(16000, np.float32), expected])
    shifts = range(-1200, 1201, 8)
    part = found[26000:50000]
    fits = [float(part @ before[42000 + shift : 66000 + shift]) for shift in shifts]
    assert abs(shifts[int(np.argmax(fits))]) < 400  # an encoder's own delay is some tens of milliseconds
    assert audio_info(path).duration == pytest.approx(3.5, abs=0.1)


@pytest.mark.parametrize("mono", [True, False])
def test_a_pause_in_which_a_container_has_no_sound_is_silence(tmp_path, mono):
    path = _write_video(tmp_path / "a.mkv", 6.0, pause_at=1.0, pause=2.5)
    found = np.concatenate(list(read_blocks(path, block_seconds=0.3, channel=None if mono else 0)))
    whole = resample(speech_like(2.0, RATE), RATE, 16000)
    assert len(found) == pytest.approx(int(4.5 * 16000), abs=10)
    assert np.abs(found[:15900] - whole[:15900]).max() < 0.02
    assert np.abs(found[16100 : int(3.5 * 16000) - 100]).max() < 0.01
    assert np.abs(found[int(3.5 * 16000) + 100 : -100] - whole[16100:-100]).max() < 0.02
    part = read_audio(path, 3.6, 0.2)
    assert np.abs(part[100:-100] - whole[17700:20700]).max() < 0.02


def test_a_damaged_time_makes_no_years_of_silence(tmp_path, monkeypatch):
    path = _write_video(tmp_path / "a.mkv", 6.0, pause_at=1.0, pause=2.5)
    monkeypatch.setattr("asr.audio.read_av.LONGEST_GAP_SECONDS", 2.0)
    assert len(read_audio(path, partial=True)) == pytest.approx(2 * 16000, abs=10)


@pytest.mark.parametrize("name", ["a.mkv", "a.mov", "a.mp4"])
def test_a_video_whose_picture_goes_on_after_its_sound_is_read(tmp_path, name):
    path = _write_video(tmp_path / name, 8.0)
    assert len(read_audio(path)) == pytest.approx(32000, abs=1000)
    assert audio_info(path).duration == pytest.approx(2.0, abs=0.1)
    data = path.read_bytes()
    if name == "a.mkv":  # others have their tables at the end
        path.write_bytes(data[: len(data) // 4])
        with pytest.raises(AudioError, match="ends early"):
            read_audio(path)
        assert 0 < len(read_audio(path, partial=True)) < 31000


def test_the_sound_of_a_container_may_end_where_only_the_whole_has_a_length(tmp_path):
    path = _write_video(tmp_path / "a.mkv", 8.0)
    data = path.read_bytes()
    assert data.count(b"DURATION") == 2
    path.write_bytes(data.replace(b"DURATION", b"HOWEVER."))  # as other programs write it
    assert len(read_audio(path)) == pytest.approx(32000, abs=10)
    cut = data.replace(b"DURATION", b"HOWEVER.")[: len(data) // 4]
    path.write_bytes(cut)
    with pytest.raises(AudioError, match="ends early"):
        read_audio(path)


@pytest.mark.parametrize("loud_first", [True, False])
def test_a_stream_of_aac_is_as_long_as_its_frames(tmp_path, loud_first):
    """Its length is written nowhere; a guess from its first bytes is far off where these are louder or quieter."""
    parts = [speech_like(2.0, RATE), np.zeros(20 * RATE, np.float32)]
    samples = np.concatenate(parts if loud_first else parts[::-1])
    path = tmp_path / "a.aac"
    with av.open(str(path), "w", format="adts") as container:
        sound = container.add_stream("aac", rate=RATE)
        sound.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        for packet in [*sound.encode(frame), *sound.encode(None)]:
            container.mux(packet)
    assert audio_info(path).duration == pytest.approx(22.0, abs=0.1)
    assert len(read_audio(path)) == pytest.approx(22 * 16000, abs=1600)
    assert len(read_audio(path, 15.0, 5.0)) == pytest.approx(5 * 16000, abs=3)
