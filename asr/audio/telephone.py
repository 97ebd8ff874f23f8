"""Speech as telephones and messengers pass it on: narrow bands and the codecs of libsndfile."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from asr.audio.read import Samples, resample

TELEPHONE_RATE = 8000
TELEPHONE_BAND_HZ = (300.0, 3400.0)
TELEPHONE_CODECS = ("ULAW", "ALAW", "GSM610")  # ITU-T G.711's two laws at 64 kbit/s; GSM 06.10 full rate at 13 kbit/s
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
OPUS_KBITS = (6.0, 256.0)  # between which libsndfile's compression level sets the rate of a channel


def fitted(samples: Samples, length: int) -> Samples:
    """The samples cut off, or continued by zeros, to a length."""
    return samples[:length] if len(samples) >= length else np.pad(samples, (0, length - len(samples)))


def through_telephone(
    samples: Samples, sample_rate: int, codec: str = "ULAW", band_hz: tuple[float, float] = TELEPHONE_BAND_HZ
) -> Samples:
    """Band-limited (Butterworth, fourth order at each edge), at 8 kHz, through a telephone's codec; the length is kept.

    codec: one of `TELEPHONE_CODECS`.
    """
    from scipy.signal import butter, sosfilt

    if not len(samples):
        return samples
    narrow = resample(samples, sample_rate, TELEPHONE_RATE)
    if not len(narrow):  # of a sample or two
        return samples
    passed = sosfilt(butter(4, band_hz, "bandpass", fs=TELEPHONE_RATE, output="sos"), narrow)
    decoded = _coded(passed.astype(np.float32), TELEPHONE_RATE, "WAV", codec)
    return fitted(resample(fitted(decoded, len(narrow)), TELEPHONE_RATE, sample_rate), len(samples))


def through_opus(samples: Samples, sample_rate: int, kbits: float) -> Samples:
    """Encoded and decoded by Opus at so many kbit/s (6 to 256), as messengers do; the length is kept."""
    if not len(samples):
        return samples
    if sample_rate not in OPUS_RATES:
        coded = through_opus(resample(samples, sample_rate, OPUS_RATES[-1]), OPUS_RATES[-1], kbits)
        return fitted(resample(coded, OPUS_RATES[-1], sample_rate), len(samples))
    low, high = OPUS_KBITS
    level = (high - min(max(kbits, low), high)) / (high - low)
    return fitted(_coded(samples, sample_rate, "OGG", "OPUS", level), len(samples))


def _coded(samples: Samples, rate: int, container: str, subtype: str, level: float | None = None) -> Samples:
    buffer = io.BytesIO()
    clipped = np.clip(samples, -1.0, 1.0)
    soundfile.write(buffer, clipped, rate, format=container, subtype=subtype, compression_level=level)
    buffer.seek(0)
    decoded: Samples = soundfile.read(buffer, dtype="float32")[0]
    return decoded
