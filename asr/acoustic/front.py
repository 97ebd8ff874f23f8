"""Ways into acoustic models: features to fewer frames of one size."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from asr.acoustic.config import STRIDES, AcousticConfig
from asr.nn.lengths import inside, without_padding


def build_front(config: AcousticConfig) -> ConvolutionalFront | StackedFront:
    """The front of a model: convolutions, or stacked frames where it has no convolution channels."""
    dim, size = config.features.dim, config.input_size
    if config.conv_channels:
        return ConvolutionalFront(dim, config.conv_channels, STRIDES[config.subsampling], size)
    return StackedFront(dim, config.subsampling, size)


class ConvolutionalFront(nn.Module):
    """Two 3 x 3 convolutions that lower the frame rate, then a linear layer."""

    def __init__(self, dim: int, channels: int, strides: tuple[int, int], output_size: int) -> None:
        super().__init__()
        self.strides = strides  # in time
        self.first = nn.Conv2d(1, channels, 3, (strides[0], 2), padding=1)
        self.second = nn.Conv2d(channels, channels, 3, (strides[1], 2), padding=1)
        bins = self._halved(self._halved(dim))
        self.project = nn.Linear(channels * bins, output_size)
        self.norm = nn.LayerNorm(output_size)

    @staticmethod
    def _halved(size: int) -> int:
        return (size + 1) // 2

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Output frames for each number of feature frames."""
        for stride in self.strides:
            lengths = (lengths + stride - 1) // stride
        return lengths

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, dim) -> (batch, output frames, output_size), and the lengths of the output."""
        hidden = features[:, None]  # (batch, 1, frames, dim)
        for convolution, stride in ((self.first, self.strides[0]), (self.second, self.strides[1])):
            hidden = torch.relu(convolution(hidden))
            lengths = (lengths + stride - 1) // stride
            hidden = hidden * inside(lengths, hidden.shape[2])[:, None, :, None].to(hidden.dtype)
        batch, channels, frames, bins = hidden.shape
        hidden = hidden.transpose(1, 2).reshape(batch, frames, channels * bins)
        return self.norm(self.project(hidden)), lengths


class StackedFront(nn.Module):
    """Every `subsampling` neighbouring frames side by side through a linear layer."""

    def __init__(self, dim: int, subsampling: int, output_size: int) -> None:
        super().__init__()
        self.subsampling = subsampling
        self.project = nn.Linear(dim * subsampling, output_size)
        self.norm = nn.LayerNorm(output_size)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Output frames for each number of feature frames; the last one may be filled up with zeros."""
        return (lengths + self.subsampling - 1) // self.subsampling

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, dim) -> (batch, output frames, output_size)."""
        features = pad(without_padding(features, lengths), (0, 0, 0, -features.shape[1] % self.subsampling))
        batch, frames, dim = features.shape
        stacked = features.reshape(batch, frames // self.subsampling, dim * self.subsampling)
        return self.norm(self.project(stacked)), self.output_lengths(lengths)
