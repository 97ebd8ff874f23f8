"""Filterbank and MFCC features in NumPy, for recognition without torch; equal to `asr.audio.features` within 2e-3.

`NumpyFeatures` computes the features of whole recordings. `FeatureStream` computes the same frames, before
normalisation, of a recording that arrives in pieces; `normalize` then normalises them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from asr.audio.feature_config import (
    DELTA_REACH,
    INT16_SCALE,
    LIBROSA_FLOOR,
    LIBROSA_TOP_DB,
    LIFTER,
    LOG_FLOOR,
    LOWEST_NORMALIZED,
    PREEMPHASIS,
    RUNNING_FRAMES,
    SPEECH_RANGE,
    VARIANCE_FLOOR,
    FeatureConfig,
)
from asr.audio.read import Samples
from asr.errors import ConfigError

BLOCK_SQUARES = 256  # frames whose variance is summed up at a time
BLOCK_ROWS = 64  # frames that go through the spectral computations at a time: see `_by_blocks`

Floats = NDArray[np.float32]


class NumpyFeatures:
    """Samples (time,) in [-1, 1] to features (frames, dim)."""

    def __init__(self, config: FeatureConfig) -> None:
        """Raises ConfigError for a band of frequencies outside 0 Hz to half the sample rate."""
        self.config = config
        self._window = _window(config)
        self._mel = _mel_filters(config)
        self._dct = _dct_matrix(config)

    def __call__(self, samples: Samples) -> Floats:
        """Features (frames, dim) of a whole recording, normalised; no frames where it is shorter than one."""
        frames = self.static(samples)
        if self.config.convention == "librosa":
            frames = np.maximum(frames, frames.max(initial=-np.inf) - np.float32(LIBROSA_TOP_DB))
            frames = frames @ self._dct if self.config.kind == "mfcc" else frames
        return normalize(append_deltas(frames, self.config.deltas), self.config)

    def static(self, samples: Samples) -> Floats:
        """Frames (frames, values) without deltas and normalisation; librosa's are in decibels before the DCT."""
        config = self.config
        if config.convention == "librosa":
            if not len(samples):
                return np.zeros((0, config.num_mel_bins), np.float32)
            padded = np.pad(samples, config.fft_size // 2)
            return _by_blocks(self._librosa_spectrum, _frames(padded, config.fft_size, config.frame_shift))
        if len(samples) < config.frame_length:
            return np.zeros((0, config.dim // (1 + config.deltas)), np.float32)
        return _by_blocks(self._kaldi_spectrum, _frames(samples, config.frame_length, config.frame_shift))

    def _kaldi_spectrum(self, frames: Floats) -> Floats:
        """Frames of samples (rows, samples) to Kaldi's log-mel energies or cepstra (rows, values)."""
        frames = frames * np.float32(INT16_SCALE)
        frames -= frames.mean(axis=1, keepdims=True)
        emphasised = frames.copy()
        emphasised[:, 1:] -= np.float32(PREEMPHASIS) * frames[:, :-1]
        emphasised[:, 0] -= np.float32(PREEMPHASIS) * frames[:, 0]
        energies = _product(_power(emphasised * self._window, self.config.fft_size), self._mel)
        log_mel: Floats = np.log(np.maximum(energies, LOG_FLOOR))
        return _product(log_mel, self._dct) if self.config.kind == "mfcc" else log_mel

    def _librosa_spectrum(self, frames: Floats) -> Floats:
        """Frames of samples (rows, samples) to mel energies in decibels (rows, bins)."""
        energies = _product(_power(frames * self._window, self.config.fft_size), self._mel)
        decibels: Floats = np.float32(10.0) * np.log10(np.maximum(energies, np.float32(LIBROSA_FLOOR)))
        return decibels


class FeatureStream:
    """Frames of one recording that arrives in pieces, with deltas, before normalisation.

    Joined, they equal those of the whole recording exactly. librosa's centred frames and its limit of 80 dB below the
    loudest value need the whole recording: ConfigError.
    """

    def __init__(self, features: NumpyFeatures) -> None:
        if features.config.convention != "kaldi":
            raise ConfigError("streaming needs features.convention = 'kaldi'.")
        self._features = features
        config = features.config
        self._samples = np.zeros(0, np.float32)
        self._static = np.zeros((0, config.dim // (1 + config.deltas)), np.float32)
        self._returned = 0  # rows of _static that were returned already

    def missing(self, frames: int) -> int:
        """How many samples complete so many more frames."""
        config = self._features.config
        static = self._returned + frames + DELTA_REACH * config.deltas - len(self._static)
        return max(0, (static - 1) * config.frame_shift + config.frame_length - len(self._samples))

    def push(self, samples: Samples) -> Floats:
        """The frames (frames, dim) that the next samples (time,) complete."""
        config = self._features.config
        self._samples = np.concatenate([self._samples, samples])
        frames = self._features.static(self._samples)
        self._samples = self._samples[len(frames) * config.frame_shift :]
        self._static = np.concatenate([self._static, frames])
        return self._frames_until(len(self._static) - DELTA_REACH * config.deltas)

    def finish(self) -> Floats:
        """The last frames (frames, dim), whose deltas waited for their right neighbours."""
        return self._frames_until(len(self._static))

    def _frames_until(self, end: int) -> Floats:
        config = self._features.config
        if end <= self._returned:
            return np.zeros((0, config.dim), np.float32)
        frames = append_deltas(self._static, config.deltas)[self._returned : end]
        # Each order of deltas reads two frames to each side.
        first = max(0, end - DELTA_REACH * config.deltas)
        self._static, self._returned = self._static[first:], end - first
        return frames


def frame_levels(features: Floats) -> Floats:
    """The level (frames,) of each frame of features (frames, dim): the logarithm of the sum of its energies."""
    largest = features.max(axis=1, keepdims=True)
    levels: Floats = largest[:, 0] + np.log(np.exp(features - largest).sum(axis=1))
    return levels


def normalize(
    features: Floats, config: FeatureConfig, counted: Floats | None = None, levels: Floats | None = None
) -> Floats:
    """Features (frames, dim) of one recording, normalised as the configuration says.

    counted: frames (frames, dim) whose statistics are taken, where they are not those of the features themselves;
    running statistics are always the features' own. levels: of `counted`, by `frame_levels`, where they are known.
    """
    if not len(features) or config.normalize == "none":
        return features
    if config.normalize == "running":
        return _normalize_running(features)
    counted = features if counted is None else counted
    if config.normalize == "level":
        return _standardize(features.reshape(-1, 1), counted.reshape(-1, 1)).reshape(features.shape)
    if config.normalize == "speech":
        levels = frame_levels(counted) if levels is None else levels
        loud = counted[levels >= levels.max() - SPEECH_RANGE]
        return np.maximum(_standardize(features, loud), np.float32(LOWEST_NORMALIZED))
    return _standardize(features, counted)


def _standardize(features: Floats, counted: Floats) -> Floats:
    """Zero mean, unit variance of each column of (rows, columns), by the rows of `counted`."""
    mean = counted.mean(axis=0, dtype=np.float64)
    squares = np.zeros(counted.shape[1])
    for start in range(0, len(counted), BLOCK_SQUARES):  # a block stays in the cache: a quarter of the time
        centred = counted[start : start + BLOCK_SQUARES] - mean
        squares += np.einsum("ij,ij->j", centred, centred)
    variance = squares / len(counted)
    scaled: Floats = ((features - mean) / np.sqrt(np.maximum(variance, VARIANCE_FLOOR))).astype(np.float32)
    return scaled


def _normalize_running(features: Floats, window: int = RUNNING_FRAMES) -> Floats:
    """Each frame normalised by mean and variance of itself and the `window - 1` frames before it."""
    values = features.astype(np.float64)
    count = np.minimum(np.arange(1, len(features) + 1), window)[:, None]
    mean = _window_sums(values, window) / count
    variance = _window_sums(np.square(values), window) / count - np.square(mean)
    scaled: Floats = ((values - mean) / np.sqrt(np.maximum(variance, VARIANCE_FLOOR))).astype(np.float32)
    return scaled


def _window_sums(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    sums = values.cumsum(axis=0)
    sums[window:] -= sums[:-window].copy() if len(sums) > window else 0.0
    return sums


def append_deltas(features: Floats, orders: int) -> Floats:
    """Append `orders` of time derivatives to features (frames, values): regression over two frames to each side.

    The first and last frames are repeated beyond the edges, as Kaldi's add-deltas does.
    """
    parts = [features]
    for _ in range(orders if len(features) else 0):
        padded = np.pad(parts[-1], ((DELTA_REACH, DELTA_REACH), (0, 0)), mode="edge")
        delta = np.zeros_like(features)
        for reach in range(1, DELTA_REACH + 1):
            after = padded[DELTA_REACH + reach : DELTA_REACH + reach + len(features)]
            before = padded[DELTA_REACH - reach : DELTA_REACH - reach + len(features)]
            delta += np.float32(reach) * (after - before)
        parts.append(delta / np.float32(2 * sum(reach * reach for reach in range(1, DELTA_REACH + 1))))
    if not len(features):
        return np.zeros((0, features.shape[1] * (orders + 1)), np.float32)
    return np.concatenate(parts, axis=1)


def _frames(samples: Samples, length: int, shift: int) -> Floats:
    """Frames (frames, length) of samples (time,), as a view."""
    return np.lib.stride_tricks.sliding_window_view(samples, length)[::shift]


def _power(frames: Floats, fft_size: int) -> Floats:
    """Power spectra (rows, fft_size / 2 + 1)."""
    spectrum = np.fft.rfft(frames, n=fft_size, axis=1)
    power: Floats = (np.square(spectrum.real) + np.square(spectrum.imag)).astype(np.float32, copy=False)
    return power


def _by_blocks(function: Callable[[Floats], Floats], frames: Floats) -> Floats:
    """`function` of (rows, samples) over all rows, in blocks that stay in the processor's cache from step to step."""
    blocks = [frames[start : start + BLOCK_ROWS] for start in range(0, len(frames), BLOCK_ROWS)]
    return np.concatenate([function(block) for block in blocks])


def _product(rows: Floats, matrix: Floats) -> Floats:
    """Rows (rows, values) of a block times a matrix.

    BLAS chooses its order of summation by the number of rows: without filling up the block, streamed frames would
    differ from those of the whole recording in the last bit.
    """
    count = len(rows)
    if count < BLOCK_ROWS:
        rows = np.concatenate([rows, np.zeros((BLOCK_ROWS - count, rows.shape[1]), rows.dtype)])
    product: Floats = (rows @ matrix)[:count]
    return product


def _window(config: FeatureConfig) -> Floats:
    length = config.frame_length
    if config.convention == "librosa":
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        left = (config.fft_size - length) // 2
        return np.pad(hann, (left, config.fft_size - length - left)).astype(np.float32)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))
    return (hann**0.85).astype(np.float32)  # Kaldi's "povey" window


def _mel_filters(config: FeatureConfig) -> Floats:
    """Triangular filters (fft_size / 2 + 1, num_mel_bins), as torchaudio's."""
    low, high = config.band
    frequencies = np.arange(config.fft_size // 2 + 1, dtype=np.float64) * (config.sample_rate / config.fft_size)
    if config.convention == "librosa":
        first, last = _to_slaney_mel(np.array([low, high])).tolist()
        edges = _from_slaney_mel(np.linspace(first, last, config.num_mel_bins + 2))
        places = frequencies
    else:
        first, last = _to_kaldi_mel(np.array([low, high])).tolist()
        edges = np.linspace(first, last, config.num_mel_bins + 2)
        places = _to_kaldi_mel(frequencies)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (places[:, None] - left) / (centre - left)
    falling = (right - places[:, None]) / (right - centre)
    filters = np.maximum(0.0, np.minimum(rising, falling))
    if config.convention == "librosa":
        filters *= 2.0 / (right - left)  # of equal area in Hz
    else:
        filters[-1] = 0.0  # Kaldi leaves out half the sample rate itself
    return filters.astype(np.float32)


def _to_kaldi_mel(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mel of Hz, as HTK and Kaldi have it."""
    return 1127.0 * np.log1p(frequencies / 700.0)


SLANEY_STEP, SLANEY_BREAK, SLANEY_LOG_STEP = 200.0 / 3, 1000.0, math.log(6.4) / 27.0  # linear below 1 kHz, then log


def _to_slaney_mel(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mel of Hz, as Slaney's Auditory Toolbox and librosa have it."""
    above = SLANEY_BREAK / SLANEY_STEP + np.log(np.maximum(frequencies, 1e-9) / SLANEY_BREAK) / SLANEY_LOG_STEP
    return np.where(frequencies >= SLANEY_BREAK, above, frequencies / SLANEY_STEP)


def _from_slaney_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `_to_slaney_mel`."""
    first = SLANEY_BREAK / SLANEY_STEP
    return np.where(mel >= first, SLANEY_BREAK * np.exp(SLANEY_LOG_STEP * (mel - first)), SLANEY_STEP * mel)


def _dct_matrix(config: FeatureConfig) -> Floats:
    """(num_mel_bins, num_ceps): orthonormal DCT-II, with Kaldi's cepstral liftering in its convention."""
    bins, order = np.arange(config.num_mel_bins)[:, None], np.arange(config.num_ceps)[None, :]
    dct = np.cos(np.pi / config.num_mel_bins * (bins + 0.5) * order) * math.sqrt(2.0 / config.num_mel_bins)
    dct[:, 0] *= math.sqrt(0.5)
    if config.convention == "kaldi":
        dct = dct * (1.0 + 0.5 * LIFTER * np.sin(np.pi * order / LIFTER))
    single: Floats = dct.astype(np.float32)
    return single
