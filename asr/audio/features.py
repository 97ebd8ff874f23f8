"""Filterbank and MFCC features as one batched torch module.

Kaldi's conventions (the default) equal `torchaudio.compliance.kaldi.fbank` and `.mfcc` with dither 0 on samples in the
int16 range; librosa's equal `librosa.feature.mfcc`. The mel filters and the cosine matrix are torchaudio's.
`features_numpy` has the same features without torch, and their streaming form.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

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

BLOCK_ROWS = 64  # frames that go through the spectral kernels at a time


class Features(nn.Module):
    """Samples (batch, time) in [-1, 1] to features (batch, frames, dim)."""

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("window", _window(config), persistent=False)
        self.register_buffer("mel", _mel_filters(config), persistent=False)
        self.register_buffer("dct", _dct_matrix(config), persistent=False)

    window: Tensor
    mel: Tensor
    dct: Tensor

    def forward(self, samples: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """samples: (batch, time); lengths: (batch,) in samples, None for full rows.

        Returns features (batch, frames, dim), zero beyond each row's length, and their lengths (batch,) in frames.
        A row shorter than one frame has length 0.
        """
        if lengths is None:
            lengths = torch.full((samples.shape[0],), samples.shape[1], device=samples.device)
        frame_lengths = self.frame_lengths(lengths)
        raw = self.static(samples)[:, : int(frame_lengths.max()) if len(frame_lengths) else 0]
        mask = torch.arange(raw.shape[1], device=raw.device)[None, :] < frame_lengths[:, None]
        if self.config.convention == "librosa":
            raw = _from_librosa_db(raw, mask, self.dct if self.config.kind == "mfcc" else None)
        features = append_deltas(raw, frame_lengths, self.config.deltas)
        if self.config.normalize == "utterance":
            features = normalize_utterances(features, mask)
        elif self.config.normalize == "level":
            features = normalize_level(features, mask)
        elif self.config.normalize == "running":
            features = normalize_running(features)
        elif self.config.normalize == "speech":
            features = normalize_speech(features, mask)
        return features * mask[:, :, None], frame_lengths

    def frame_lengths(self, sample_lengths: Tensor) -> Tensor:
        """Frames for each number of samples."""
        if self.config.convention == "librosa":
            return torch.where(sample_lengths > 0, sample_lengths // self.config.frame_shift + 1, 0)
        return ((sample_lengths - self.config.frame_length) // self.config.frame_shift + 1).clamp(min=0)

    def static(self, samples: Tensor) -> Tensor:
        """Features (batch, frames, dim) without deltas and normalisation; librosa's are in decibels before the DCT."""
        config = self.config
        if config.convention == "librosa":
            samples = nn.functional.pad(samples, (config.fft_size // 2, config.fft_size // 2))
            frames = samples.unfold(1, config.fft_size, config.frame_shift)
            power = torch.fft.rfft(frames * self.window).abs().square()
            return 10.0 * torch.log10((power @ self.mel).clamp(min=LIBROSA_FLOOR))
        if samples.shape[1] < config.frame_length:
            return samples.new_zeros(samples.shape[0], 0, config.dim // (1 + config.deltas))
        return _by_blocks(self._spectral, (samples * INT16_SCALE).unfold(1, config.frame_length, config.frame_shift))

    def _spectral(self, frames: Tensor) -> Tensor:
        """Frames of samples (rows, samples) to Kaldi's log-mel energies or cepstra (rows, values)."""
        frames = frames - frames.mean(dim=1, keepdim=True)
        previous = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
        frames = (frames - PREEMPHASIS * previous) * self.window
        spectrum = torch.fft.rfft(frames, n=self.config.fft_size)
        power = spectrum.real.square() + spectrum.imag.square()  # a quarter of the time of abs().square()
        log_mel = (power @ self.mel).clamp(min=LOG_FLOOR).log()
        values: Tensor = log_mel @ self.dct if self.config.kind == "mfcc" else log_mel
        return values


def _by_blocks(function: Callable[[Tensor], Tensor], frames: Tensor) -> Tensor:
    """`function` of (rows, samples) over the rows of (batch, frames, samples), on the CPU in blocks of one size.

    A block stays in the cache from step to step. And the kernels behind Fourier transform and matrix product choose
    their order of summation by the number of rows, each processor its own: without blocks, streamed frames would differ
    from offline frames in the last bit.
    """
    batch, count, width = frames.shape
    rows = frames.reshape(-1, width)
    if rows.device.type != "cpu":
        return function(rows).reshape(batch, count, -1)
    padded = nn.functional.pad(rows, (0, 0, 0, -len(rows) % BLOCK_ROWS))
    out = torch.cat([function(block) for block in padded.split(BLOCK_ROWS)])
    return out[: len(rows)].reshape(batch, count, -1)


def _window(config: FeatureConfig) -> Tensor:
    if config.convention == "librosa":
        hann = torch.hann_window(config.frame_length, periodic=True, dtype=torch.float64)
        left = (config.fft_size - config.frame_length) // 2
        return nn.functional.pad(hann, (left, config.fft_size - config.frame_length - left)).float()
    return torch.hann_window(config.frame_length, periodic=False, dtype=torch.float64).pow(0.85).float()  # "povey"


def _mel_filters(config: FeatureConfig) -> Tensor:
    """(fft_size / 2 + 1, num_mel_bins)"""
    low, high = config.band
    if config.convention == "librosa":
        from torchaudio.functional import melscale_fbanks

        mel: Tensor = melscale_fbanks(
            config.fft_size // 2 + 1, low, high, config.num_mel_bins, config.sample_rate, "slaney", "slaney"
        )
        return mel
    from torchaudio.compliance.kaldi import get_mel_banks

    banks, _ = get_mel_banks(
        config.num_mel_bins, config.fft_size, float(config.sample_rate), low, high, 100.0, -500.0, 1.0
    )
    return nn.functional.pad(banks, (0, 1)).T.contiguous()


def _dct_matrix(config: FeatureConfig) -> Tensor:
    """(num_mel_bins, num_ceps): orthonormal DCT-II, with Kaldi's cepstral liftering in its convention."""
    from torchaudio.functional import create_dct

    dct = create_dct(config.num_ceps, config.num_mel_bins, "ortho")
    if config.convention == "kaldi":
        order = torch.arange(config.num_ceps)
        dct = dct * (1.0 + 0.5 * LIFTER * torch.sin(math.pi * order / LIFTER))
    contiguous: Tensor = dct.contiguous()
    return contiguous


def _from_librosa_db(decibels: Tensor, mask: Tensor, dct: Tensor | None) -> Tensor:
    """librosa.power_to_db's limit of 80 dB below the loudest value of an utterance, then the DCT."""
    if decibels.shape[1]:
        loudest = decibels.masked_fill(~mask[:, :, None], -math.inf).amax(dim=(1, 2), keepdim=True)
        decibels = torch.maximum(decibels, loudest - LIBROSA_TOP_DB)
    return decibels if dct is None else decibels @ dct


def append_deltas(features: Tensor, lengths: Tensor, orders: int) -> Tensor:
    """Append `orders` of time derivatives: regression over two frames to each side, edges repeated.

    features: (batch, frames, dim), lengths: (batch,). Equals torchaudio.functional.compute_deltas applied repeatedly.
    """
    parts = [features]
    frames = features.shape[1]
    if not orders or not frames:
        return torch.cat([features] * (orders + 1), dim=2)
    time = torch.arange(frames, device=features.device)
    last = (lengths - 1).clamp(min=0)[:, None]
    for _ in range(orders):
        delta = torch.zeros_like(features)
        for reach in range(1, DELTA_REACH + 1):
            after = torch.minimum((time + reach)[None, :], last)
            before = (time - reach).clamp(min=0)[None, :].expand_as(after)
            delta = delta + reach * (_take(parts[-1], after) - _take(parts[-1], before))
        parts.append(delta / (2 * sum(reach * reach for reach in range(1, DELTA_REACH + 1))))
    return torch.cat(parts, dim=2)


def _take(features: Tensor, index: Tensor) -> Tensor:
    return features.gather(1, index[:, :, None].expand(-1, -1, features.shape[2]))


def normalize_utterances(features: Tensor, mask: Tensor) -> Tensor:
    """Zero mean, unit variance of each value over the frames of each utterance.

    features: (batch, frames, dim); mask: (batch, frames), true where there is speech data.
    """
    weights = mask[:, :, None].to(features.dtype)
    count = weights.sum(dim=1, keepdim=True).clamp(min=1.0)
    centred = (features - (features * weights).sum(dim=1, keepdim=True) / count) * weights
    variance = centred.square().sum(dim=1, keepdim=True) / count
    return centred / variance.clamp(min=VARIANCE_FLOOR).sqrt()


def normalize_speech(features: Tensor, mask: Tensor) -> Tensor:
    """Filterbank features by mean and variance of each value over the loud frames of each utterance.

    features: (batch, frames, dim), natural logarithms of energies; mask: (batch, frames), true where there is speech
    data. Frames whose energy, summed over the bins, lies within `SPEECH_RANGE` of the loudest one's count; what is
    quieter is normalised by them too, and cut off at `LOWEST_NORMALIZED`.
    """
    levels = features.logsumexp(dim=2).masked_fill(~mask, -math.inf)  # (batch, frames)
    loud = mask & (levels >= levels.amax(dim=1, keepdim=True) - SPEECH_RANGE)
    weights = loud[:, :, None].to(features.dtype)
    count = weights.sum(dim=1, keepdim=True).clamp(min=1.0)
    centred = features - (features * weights).sum(dim=1, keepdim=True) / count
    variance = (centred * weights).square().sum(dim=1, keepdim=True) / count
    return (centred / variance.clamp(min=VARIANCE_FLOOR).sqrt()).clamp(min=LOWEST_NORMALIZED)


def normalize_level(features: Tensor, mask: Tensor) -> Tensor:
    """Zero mean, unit variance of all values of each utterance together: (batch, frames, dim); mask as above."""
    batch, frames, dim = features.shape
    values = mask[:, :, None].expand_as(features).reshape(batch, frames * dim)
    return normalize_utterances(features.reshape(batch, frames * dim, 1), values).reshape(batch, frames, dim)


def normalize_running(features: Tensor, window: int = RUNNING_FRAMES) -> Tensor:
    """Each frame normalised by mean and variance of itself and the `window - 1` frames before it (no look-ahead)."""
    if not features.shape[1]:
        return features
    values = features.double()
    count = torch.arange(1, features.shape[1] + 1, device=features.device).clamp(max=window)[None, :, None]
    mean = _window_sums(values, window) / count
    variance = _window_sums(values.square(), window) / count - mean.square()
    return ((values - mean) / variance.clamp(min=VARIANCE_FLOOR).sqrt()).to(features.dtype)


def _window_sums(values: Tensor, window: int) -> Tensor:
    sums = values.cumsum(dim=1)
    if values.shape[1] > window:
        sums = torch.cat([sums[:, :window], sums[:, window:] - sums[:, :-window]], dim=1)
    return sums
