"""Voices of other vocal tracts: the spectral envelope stretched, pitch and tempo as they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import Samples

FRAME, HOP = 512, 128
LIFTER = 40  # cepstral coefficients that make the envelope: at 16 kHz, 2.5 ms, below a voice's pitch period
MOST_DECIBELS = 30.0  # by which a frequency may be raised or lowered


def warp_spectrum(samples: Samples, factor: float) -> Samples:
    """Formants moved up by `factor` (0.8 to 1.25) as by a vocal tract that is shorter by it; the length is kept.

    Vocal tract length perturbation (Jaitly and Hinton 2013) of samples: the envelope of each frame, its liftered
    cepstrum (Oppenheim and Schafer 1968), is replaced by itself stretched along the frequencies.
    """
    from scipy.signal import istft, stft

    if factor == 1.0 or len(samples) < FRAME:
        return samples
    _, _, spectrum = stft(samples, nperseg=FRAME, noverlap=FRAME - HOP)  # (bins, frames)
    envelope = _log_envelope(np.log(np.maximum(np.abs(spectrum), 1e-7)))
    bins = np.arange(len(envelope))
    place = np.minimum(bins / factor, len(bins) - 1)
    below = np.floor(place).astype(int)
    above, share = np.minimum(below + 1, len(bins) - 1), (place - below)[:, None]
    stretched = (1 - share) * envelope[below] + share * envelope[above]
    limit = MOST_DECIBELS * np.log(10.0) / 20
    warped = spectrum * np.exp(np.clip(stretched - envelope, -limit, limit))
    _, out = istft(warped, nperseg=FRAME, noverlap=FRAME - HOP)
    fitted = np.asarray(out[: len(samples)], dtype=np.float32)
    return np.pad(fitted, (0, len(samples) - len(fitted)))


def _log_envelope(log_magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smooth part of log magnitudes (bins, frames): the first `LIFTER` coefficients of their cepstra."""
    cepstra = np.fft.irfft(log_magnitude, axis=0)
    cepstra[LIFTER : len(cepstra) - LIFTER + 1] = 0.0
    return np.fft.rfft(cepstra, axis=0).real
