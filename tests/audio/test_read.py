from __future__ import annotations

import struct

import numpy as np
import pytest
import soundfile

from asr.audio.read import audio_info, read_audio, read_blocks
from asr.errors import AudioError
from tests.conftest import speech_like


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [("a.wav", "PCM_16", 1e-4), ("a.wav", "PCM_24", 1e-6), ("a.wav", "FLOAT", 0), ("a.wav", "PCM_U8", 1e-2),
     ("a.flac", "PCM_16", 1e-4)],
)  # fmt: skip
def test_formats_and_sample_types_give_the_same_samples(make_wav, name, subtype, tolerance):
    samples = read_audio(make_wav(name, 1.0, subtype=subtype))
    expected = speech_like(1.0)
    assert samples.dtype == np.float32
    assert len(samples) == len(expected)
    assert np.abs(samples - expected).max() <= tolerance


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_keeps_length_and_sound(make_wav, subtype):
    samples = read_audio(make_wav("a.ogg", 1.0, subtype=subtype))
    expected = speech_like(1.0)
    assert len(samples) == len(expected)
    spectra = [np.abs(np.fft.rfft(x))[100:2000] for x in (samples, expected)]
    assert np.corrcoef(*spectra)[0, 1] > 0.9


def test_mp3_is_read_at_its_length(make_wav):
    path = make_wav("a.mp3", 2.0)
    samples = read_audio(path)
    whole, _ = soundfile.read(path, dtype="float32")
    assert np.abs(samples - whole).max() < 1e-3  # read in eighths of a second it is off by 0.08
    assert abs(len(samples) - 32000) < 3000  # an encoder may pad
    assert np.abs(samples).max() > 0.1


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_any_rate_comes_out_at_16_khz_with_the_same_tone(tmp_path, rate):
    time = np.arange(rate) / rate
    soundfile.write(tmp_path / "t.wav", 0.5 * np.sin(2 * np.pi * 440 * time), rate, subtype="FLOAT")
    samples = read_audio(tmp_path / "t.wav")
    assert abs(len(samples) - 16000) <= 1
    spectrum = np.abs(np.fft.rfft(samples[:16000], 16000))
    assert spectrum.argmax() == 440
    assert np.abs(samples[2000:14000]).max() == pytest.approx(0.5, abs=0.01)


def test_six_channels_are_averaged(tmp_path):
    channels = np.stack([speech_like(0.5, seed=seed) for seed in range(6)], axis=1)
    soundfile.write(tmp_path / "six.wav", channels, 16000, subtype="FLOAT")
    assert np.allclose(read_audio(tmp_path / "six.wav"), channels.mean(axis=1), atol=1e-6)


def test_blocks_join_to_the_whole_file_also_when_resampled(make_wav):
    path = make_wav("a.wav", 3.0, rate=44100, subtype="FLOAT")
    whole = read_audio(path)
    pieces = list(read_blocks(path, block_seconds=0.25))
    assert len(pieces) > 10
    assert np.abs(np.concatenate(pieces) - whole).max() < 1e-6


def test_offset_and_duration_choose_a_part(make_wav):
    path = make_wav("a.wav", 2.0, subtype="FLOAT")
    assert np.array_equal(read_audio(path, 0.5, 0.25), speech_like(2.0)[8000:12000])


def test_info_reads_no_samples(make_wav):
    info = audio_info(make_wav("a.wav", 1.5, rate=8000, channels=2))
    assert (info.duration, info.sample_rate, info.channels) == (1.5, 8000, 2)


def _message(path, **options) -> str:
    with pytest.raises(AudioError) as caught:
        read_audio(path, **options)
    text = str(caught.value)
    assert path.name in text
    assert text.endswith(".")
    assert "\n" not in text
    return text


def test_missing_file_is_named(tmp_path):
    assert "does not exist" in _message(tmp_path / "none.wav")


def test_empty_file_is_named(tmp_path):
    (tmp_path / "empty.wav").touch()
    assert "empty" in _message(tmp_path / "empty.wav")


def test_folder_is_named(tmp_path):
    assert "folder" in _message(tmp_path)


def test_text_with_an_audio_name_is_named(tmp_path):
    (tmp_path / "text.wav").write_text("this is not audio\n" * 50)
    assert "not audio" in _message(tmp_path / "text.wav")


def test_truncated_flac_ends_early_unless_partial(make_wav):
    path = make_wav("a.flac", 20.0)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "ends early" in _message(path)
    partial = read_audio(path, partial=True)
    assert 5 * 16000 < len(partial) < 15 * 16000


def test_header_that_promises_more_than_there_is(make_wav):
    path = make_wav("a.wav", 2.0)
    data = bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = struct.pack("<I", 4 * 64000)
    path.write_bytes(bytes(data))
    assert "ends early" in _message(path)
    assert len(read_audio(path, partial=True)) == 32000


def test_streamed_wav_of_unknown_length_is_read(make_wav):
    path = make_wav("a.wav", 1.0)
    data = bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(data))
    assert len(read_audio(path)) == 16000


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_an_error(tmp_path, value):
    samples = speech_like(1.0)
    samples[500] = value
    soundfile.write(tmp_path / "nan.wav", samples, 16000, subtype="FLOAT")
    assert "NaN" in _message(tmp_path / "nan.wav")


def test_one_sample_and_silence_are_read(tmp_path):
    soundfile.write(tmp_path / "one.wav", np.zeros(1), 16000)
    assert len(read_audio(tmp_path / "one.wav")) == 1
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    assert len(read_audio(tmp_path / "none.wav")) == 0


def test_offset_past_the_end_is_named(make_wav):
    assert "past its end" in _message(make_wav("a.wav", 1.0), offset=2.0)


def test_an_mp3_with_a_hole_is_refused_unless_partial(make_wav):
    path = make_wav("a.mp3", 40.0)
    whole, data = read_audio(path), bytearray(path.read_bytes())
    hole = int(0.9 * len(data))
    data[hole:] = bytes(len(data) - hole)  # in the second block of 30 s
    path.write_bytes(data)
    assert "ends early: its header promises 40" in _message(path)
    partial = read_audio(path, partial=True)
    assert 34 * 16000 < len(partial) < 37 * 16000
    after = slice(30 * 16000, len(partial) - 8000)
    assert np.sqrt(np.mean((partial[after] - whole[after]) ** 2)) < 0.1 * np.sqrt(np.mean(whole[after] ** 2))


def _write_m4a(path, samples, title=""):
    av = pytest.importorskip("av", reason="PyAV, the extra 'av', is not installed")
    with av.open(str(path), "w") as container:
        container.metadata["title"] = title
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def test_a_title_that_is_no_unicode_is_no_reason_to_refuse(tmp_path):
    path = _write_m4a(tmp_path / "a.m4a", speech_like(1.0, 44100), "caf\u00e9s")
    data = path.read_bytes()
    assert b"caf\xc3\xa9s" in data
    path.write_bytes(data.replace(b"caf\xc3\xa9s", b"caf\xed\xa9s"))
    assert len(read_audio(path)) == pytest.approx(16000, abs=1500)


def test_an_mp3_of_tags_alone_is_said_to_hold_no_sound(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(b"ID3\x03\0\0\0\0\1\0" + bytes(128))
    message = _message(path)
    assert "sound" in message
    assert "exist" not in message


def test_m4a_is_read_through_pyav(tmp_path):
    path = _write_m4a(tmp_path / "a.m4a", speech_like(2.0, 44100))
    found = read_audio(path)
    expected = speech_like(2.0, 16000)
    assert abs(len(found) - len(expected)) < 1500
    assert audio_info(path).duration == pytest.approx(2.0, abs=0.1)
    part = read_audio(path, 0.5, 0.5)
    assert len(part) == pytest.approx(8000, abs=3)
    assert np.abs(part - found[8000:16000]).max() < 0.02


@pytest.mark.parametrize("gain", [-1.0, -0.9])
def test_channels_that_cancel_are_heard_by_the_louder_one(tmp_path, gain):
    speech = speech_like(1.0)
    noise = np.random.default_rng(0).normal(0, 0.001, len(speech)).astype(np.float32)
    both = np.stack([0.8 * gain * speech, 0.8 * speech + noise], 1)
    soundfile.write(tmp_path / "a.wav", both, 16000, subtype="FLOAT")
    assert np.abs(read_audio(tmp_path / "a.wav") - (0.8 * speech + noise)).max() < 1e-6


@pytest.mark.parametrize("other", ["silent", "same", "noise", "opposite in part"])
def test_other_channels_are_averaged(tmp_path, other):
    speech = speech_like(1.0)
    noise = np.random.default_rng(0).normal(0, float(speech.std()), len(speech)).astype(np.float32)
    second = {"silent": 0 * speech, "same": speech, "noise": noise, "opposite in part": -0.5 * speech}[other]
    soundfile.write(tmp_path / "a.wav", np.stack([speech, second], 1), 16000, subtype="FLOAT")
    assert np.abs(read_audio(tmp_path / "a.wav") - (speech + second) / 2).max() < 1e-6


def test_two_channels_of_a_container_are_averaged_unless_they_cancel(tmp_path):
    av = pytest.importorskip("av", reason="PyAV, the extra 'av', is not installed")
    speech = np.round(speech_like(1.0, 16000) * 20000).astype(np.int16)
    for second, expected in ((-speech, speech), (0 * speech, speech / 2)):
        with av.open(str(tmp_path / "a.mkv"), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=16000, layout="stereo")
            frame = av.AudioFrame.from_ndarray(np.stack([speech, second], 1).reshape(1, -1), "s16", "stereo")
            frame.sample_rate = 16000
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
        assert np.abs(read_audio(tmp_path / "a.mkv") - expected / 32768).max() < 1e-4
