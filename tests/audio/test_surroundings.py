"""Noise from files, rooms, telephones, messengers, clipping, gain, other vocal tracts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import soundfile
from scipy.signal import lfilter

from asr.audio.augment import AugmentConfig, augment_samples, change_gain, clip_share
from asr.audio.noise import RecordedNoise, mix, recorded_noise
from asr.audio.rooms import Room, draw_room, in_room, room_impulses, room_response
from asr.audio.telephone import TELEPHONE_CODECS, through_opus, through_telephone
from asr.audio.warp import warp_spectrum
from asr.errors import ConfigError
from tests.conftest import speech_like

RATE = 16000


def _random() -> np.random.Generator:
    return np.random.default_rng(1)


def _white(seconds: float, scale: float = 0.1) -> np.ndarray:
    return (scale * _random().standard_normal(int(RATE * seconds))).astype(np.float32)


def _level_db(samples: np.ndarray, low: float, high: float) -> float:
    """Mean power between two frequencies, in decibels, from one long Fourier transform."""
    power = np.abs(np.fft.rfft(samples.astype(float))) ** 2 / len(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    return 10 * float(np.log10(power[(frequencies >= low) & (frequencies < high)].mean()))


@pytest.fixture
def noises(tmp_path):
    """Two kinds: tones of 1000 Hz, long and short, and of 3000 Hz."""
    for kind, frequency, seconds in (("low", 1000, 2.0), ("low", 1000, 0.3), ("high", 3000, 1.0)):
        (tmp_path / kind).mkdir(exist_ok=True)
        tone = 0.25 * np.sin(2 * np.pi * frequency * np.arange(int(RATE * seconds)) / RATE)
        soundfile.write(tmp_path / kind / f"{seconds}.flac", tone, RATE)
    (tmp_path / "low" / "damaged.flac").write_bytes(b"fLaC and no more")
    return tmp_path


@pytest.mark.parametrize("snr", [-5.0, 0.0, 20.0])
def test_speech_and_noise_are_mixed_at_the_ratio_asked_for(snr):
    speech, noise = speech_like(1.0), _white(1.0)
    added = mix(speech, noise, snr).astype(float) - speech
    assert 10 * np.log10(np.mean(speech.astype(float) ** 2) / np.mean(added**2)) == pytest.approx(snr, abs=0.02)
    assert np.array_equal(mix(np.zeros(100, np.float32), noise[:100], snr), np.zeros(100, np.float32))


def test_excerpts_are_of_one_kind_of_the_length_asked_for_and_without_jumps(noises):
    recorded = RecordedNoise(noises, (), RATE)
    assert [text.split(" is ")[0] for text in recorded.unreadable] == [str(noises / "low" / "damaged.flac")]
    random = _random()
    loudest = set()
    for length in (100, 5000, 70000):
        for _ in range(8):
            noise = recorded.excerpt(length, random)
            assert len(noise) == length
            spectrum = np.abs(np.fft.rfft(noise * np.hanning(length)))
            loudest.add(round(float(spectrum.argmax()) / length * RATE / 500) * 500)
            assert np.abs(np.diff(noise)).max() < 0.25 * 2 * np.pi * 3000 / RATE * 1.2  # no steeper than a tone is
    assert loudest == {1000, 3000}
    only = RecordedNoise(noises, ("high",), RATE).excerpt(RATE, random)
    assert _level_db(only, 2900, 3100) > _level_db(only, 900, 1100) + 40


def test_kinds_that_are_not_there_are_named(noises, tmp_path):
    with pytest.raises(ConfigError, match=r"needs augment\.noise_folder"):
        augment_samples(_white(0.1), RATE, AugmentConfig(speeds=(), recorded_probability=1.0), _random())
    with pytest.raises(ConfigError, match="no rain"):
        RecordedNoise(noises, ("rain", "low"), RATE)
    with pytest.raises(ConfigError, match="has no folders"):
        RecordedNoise(tmp_path / "nowhere", (), RATE)
    (noises / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty has no audio file"):
        RecordedNoise(noises, (), RATE)


@pytest.mark.parametrize("codec", TELEPHONE_CODECS)
def test_a_telephone_passes_300_to_3400_hz(codec):
    heard = through_telephone(_white(4.0), RATE, codec)
    assert len(heard) == 4 * RATE
    passed = _level_db(heard, 600, 2800)
    assert passed == pytest.approx(_level_db(_white(4.0), 600, 2800), abs=2.0 if codec == "GSM610" else 0.5)
    assert _level_db(heard, 40, 120) < passed - (10 if codec == "GSM610" else 25)
    assert _level_db(heard, 4200, 8000) < passed - 40


def test_the_mu_law_costs_38_decibels_where_the_telephone_band_is_all_there_is():
    """8 bits of G.711 have a ratio of signal to noise of about 38 dB over a wide range of levels (ITU-T G.711)."""
    for scale in (0.3, 0.03):
        tone = scale * np.sin(2 * np.pi * 1013.7 * np.arange(4 * RATE) / RATE).astype(np.float32)
        heard = through_telephone(tone, RATE, "ULAW").astype(float)[RATE : 3 * RATE]
        times = np.arange(len(heard)) / RATE
        basis = np.stack([np.sin(2 * np.pi * 1013.7 * times), np.cos(2 * np.pi * 1013.7 * times)], axis=1)
        rest = heard - basis @ np.linalg.lstsq(basis, heard, rcond=None)[0]
        assert 34 < 10 * np.log10(np.mean(heard**2) / np.mean(rest**2)) < 42


def test_opus_loses_more_at_lower_rates_and_keeps_the_length():
    speech = speech_like(2.0)
    lost = []
    for kbits in (8, 16, 64):
        heard = through_opus(speech, RATE, kbits)
        assert len(heard) == len(speech)
        spectra = [np.log(np.abs(np.fft.rfft(x.reshape(-1, 400), axis=1)) + 0.01) for x in (speech, heard)]
        lost.append(np.abs(spectra[0] - spectra[1]).mean())
    assert lost[0] > lost[1] > lost[2] > 0


def test_a_single_sample_goes_through_a_telephone():
    assert np.array_equal(through_telephone(np.ones(1, np.float32), 48000), np.ones(1, np.float32))


def test_opus_takes_any_sample_rate():
    times = np.arange(22050) / 22050
    tone = (0.3 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    heard = through_opus(tone, 22050, 32.0)
    assert len(heard) == len(tone)
    assert np.corrcoef(tone[4000:18000], heard[4000:18000])[0, 1] > 0.95


@pytest.mark.parametrize("share", [0.001, 0.02, 0.2])
def test_clipping_cuts_off_the_share_asked_for(share):
    samples = _white(2.0)
    cut = clip_share(samples, share)
    assert np.mean(cut != samples) == pytest.approx(share, rel=0.05)
    assert np.abs(cut).max() < np.abs(samples).max()
    assert np.array_equal(np.sign(cut), np.sign(samples))


def test_gain_is_in_decibels_and_stops_at_full_scale():
    samples = _white(1.0, 0.01)
    assert np.allclose(change_gain(samples, -20.0), samples / 10, rtol=1e-5)
    assert np.allclose(change_gain(samples, 60.0), np.clip(samples * 1000, -1, 1), rtol=1e-5)


@pytest.mark.parametrize("factor", [0.88, 1.14])
def test_warping_moves_formants_and_leaves_the_pitch(factor):
    pulses = np.zeros(2 * RATE, np.float32)
    pulses[:: RATE // 100] = 1.0  # a voice of 100 Hz
    radius, formant = 0.97, 1500.0
    tract = [1.0, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2]
    voice = (0.05 * lfilter([1.0], tract, pulses)).astype(np.float32)
    warped = warp_spectrum(voice, factor)
    assert len(warped) == len(voice)

    def resonance(samples):
        power = np.abs(np.fft.rfft(samples.astype(float))) ** 2
        harmonics = np.arange(100, 4000, 100)
        levels = np.array([power[2 * h - 4 : 2 * h + 5].sum() for h in harmonics])  # bins of half a hertz
        near = np.abs(harmonics - harmonics[levels.argmax()]) <= 300
        return float((harmonics * levels * near).sum() / (levels * near).sum())

    assert resonance(voice) == pytest.approx(formant, rel=0.03)
    assert resonance(warped) / resonance(voice) == pytest.approx(factor, rel=0.04)
    lags = [np.correlate(x[RATE // 2 : RATE], x[RATE // 2 : RATE], "full")[RATE // 2 - 1 :] for x in (voice, warped)]
    assert [80 + int(lag[80:300].argmax()) for lag in lags] == [160, 160]
    assert np.array_equal(warp_spectrum(voice, 1.0), voice)


def test_a_room_response_equals_the_sum_over_images_one_by_one():
    room = Room((3.0, 2.6, 2.4), (1.0, 0.7, 1.1), (2.2, 1.9, 1.4), 0.08)
    direct = np.linalg.norm(np.subtract(room.source, room.microphone))
    x, y, z = room.size
    surface, volume = 2 * (x * y + y * z + z * x), x * y * z
    absorbed = 1 - np.exp(-0.1611 * volume / (surface * room.seconds))  # Eyring, solved for the share absorbed
    assert room.reflection == pytest.approx(np.sqrt(1 - absorbed), rel=1e-3)
    expected = np.zeros(int(np.ceil(0.08 * RATE)) + 2)
    numbers = range(-10, 11)
    for mirrored in itertools.product((0, 1), repeat=3):
        for shift in itertools.product(numbers, repeat=3):
            image = [
                (1 - 2 * m) * s + 2 * n * size
                for m, s, n, size in zip(mirrored, room.source, shift, room.size, strict=True)
            ]
            distance = np.linalg.norm(np.subtract(image, room.microphone))
            if distance >= direct + 0.08 * 343.0:
                continue
            bounces = sum(abs(n - m) + abs(n) for m, n in zip(mirrored, shift, strict=True))
            place = (distance - direct) / 343.0 * RATE
            gain = direct / distance * room.reflection**bounces
            expected[int(place + 1e-9)] += gain * (1 - place % 1)
            expected[int(place + 1e-9) + 1] += gain * (place % 1)
    assert np.allclose(room_impulses(room, RATE), expected, atol=1e-9)
    response = room_response(room, RATE)
    assert response[0] == 1.0
    kept = np.abs(np.fft.rfft(response, RATE)) / np.abs(np.fft.rfft(expected, RATE))
    assert kept[1] < 0.1
    assert np.allclose(kept[200:], 1.0, atol=0.05)


@pytest.mark.parametrize("seconds", [0.2, 0.5])
def test_sound_dies_away_in_about_the_time_asked_for(seconds):
    """Schroeder's backward integral, from -5 to -20 dB; a cubic room, for which Eyring's formula holds best."""
    response = room_response(Room((4.0, 4.0, 4.0), (1.3, 1.1, 1.7), (2.9, 2.6, 2.2), seconds), RATE).astype(float)
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    decibels = 10 * np.log10(energy / energy[0])
    begin, end = np.argmax(decibels < -5), np.argmax(decibels < -20)
    assert (end - begin) / RATE * 4 == pytest.approx(seconds, rel=0.35)


def test_in_a_room_power_and_length_stay_and_the_sound_is_smeared():
    speech = speech_like(1.0)
    random = _random()
    for _ in range(5):
        room = draw_room(0.5, random)
        assert all(0.5 <= s <= size - 0.5 for s, size in zip(room.source, room.size, strict=True))
        heard = in_room(speech, RATE, room)
        assert len(heard) == len(speech)
        assert np.mean(heard.astype(float) ** 2) == pytest.approx(np.mean(speech.astype(float) ** 2), rel=1e-3)
        assert not np.allclose(heard, speech, atol=1e-3)


def test_every_kind_of_augmentation_is_applied_at_its_share_and_follows_the_seed(noises):
    speech = speech_like(1.0)
    shares = {
        "warp": {}, "reverb": {}, "room": {}, "noise": {}, "recorded": {"noise_folder": str(noises)},
        "clipping": {}, "telephone": {}, "messenger": {}, "gain": {}, "low_pass": {}, "codec": {},
    }  # fmt: skip
    with pytest.warns(UserWarning, match=r"1 clips .*damaged\.flac"):
        recorded_noise(str(noises), (), RATE)
    for name, more in shares.items():
        config = AugmentConfig(speeds=(), **{f"{name}_probability": 0.5}, **more)
        outputs = [augment_samples(speech, RATE, config, np.random.default_rng(seed)) for seed in range(24)]
        changed = sum(not np.array_equal(output, speech) for output in outputs)
        assert 4 <= changed <= 20, name
        again = augment_samples(speech, RATE, config, np.random.default_rng(3))
        assert np.array_equal(again, outputs[3]), name
        assert all(len(output) == len(speech) and np.isfinite(output).all() for output in outputs), name


@pytest.mark.parametrize(
    "values",
    [
        {"telephone_probability": 1.5},
        {"telephone_codecs": ("CDMA",)},
        {"clipping_share": (0.0, 0.1)},
    ],
)
def test_settings_that_cannot_be_are_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        AugmentConfig(**values)
