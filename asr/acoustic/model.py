"""The acoustic model: convolutional subsampling, a recurrent stack, a linear CTC head."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from asr.audio.features import FeatureConfig, Features
from asr.errors import ConfigError
from asr.nn import Recurrent


@dataclass(frozen=True)
class AcousticConfig:
    """Sizes of the acoustic model."""

    kind: str = "lstm"
    hidden_size: int = 320
    num_layers: int = 3
    bidirectional: bool = True
    dropout: float = 0.2
    conv_channels: int = 32
    subsampling: int = 4  # feature frames per output frame: 1, 2, 3, 4 or 6
    input_size: int = 320  # of the recurrent stack, after the convolutions
    features: FeatureConfig = field(default_factory=FeatureConfig)

    def __post_init__(self) -> None:
        if self.subsampling not in STRIDES:
            raise ConfigError(
                f"model.subsampling must be one of {', '.join(map(str, STRIDES))}, not {self.subsampling}."
            )

    @property
    def seconds_per_frame(self) -> float:
        """Duration of one output frame in seconds."""
        return self.features.frame_shift_ms * self.subsampling / 1000


STRIDES = {1: (1, 1), 2: (2, 1), 3: (3, 1), 4: (2, 2), 6: (3, 2)}  # in time, of the two convolutions


class ConvolutionalFront(nn.Module):
    """Two 3 x 3 convolutions that take the frame rate down, then a linear layer (batch, frames, output)."""

    def __init__(self, dim: int, channels: int, subsampling: int, output_size: int) -> None:
        super().__init__()
        self.strides = STRIDES[subsampling]
        self.first = nn.Conv2d(1, channels, 3, (self.strides[0], 2), padding=1)
        self.second = nn.Conv2d(channels, channels, 3, (self.strides[1], 2), padding=1)
        bins = self._halved(self._halved(dim))
        self.project = nn.Linear(channels * bins, output_size)
        self.norm = nn.LayerNorm(output_size)

    @staticmethod
    def _halved(size: int) -> int:
        return (size + 1) // 2

    def output_lengths(self, lengths: Tensor) -> Tensor:
        for stride in self.strides:
            lengths = (lengths + stride - 1) // stride
        return lengths

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, dim) -> (batch, output frames, output_size); what lies beyond a length stays zero inside."""
        hidden = features[:, None]  # (batch, 1, frames, dim)
        for convolution, stride in ((self.first, self.strides[0]), (self.second, self.strides[1])):
            hidden = torch.relu(convolution(hidden))
            lengths = (lengths + stride - 1) // stride
            mask = torch.arange(hidden.shape[2], device=hidden.device)[None, :] < lengths[:, None]
            hidden = hidden * mask[:, None, :, None].to(hidden.dtype)
        batch, channels, frames, bins = hidden.shape
        hidden = hidden.transpose(1, 2).reshape(batch, frames, channels * bins)
        return self.norm(self.project(hidden)), lengths


class AcousticModel(nn.Module):
    """Features to CTC log-probabilities."""

    def __init__(self, config: AcousticConfig, num_tokens: int) -> None:
        super().__init__()
        self.config = config
        self.features = Features(config.features)
        self.front = ConvolutionalFront(
            config.features.dim, config.conv_channels, config.subsampling, config.input_size
        )
        self.recurrent = Recurrent(
            config.kind, config.input_size, config.hidden_size, config.num_layers, config.bidirectional, config.dropout
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(self.recurrent.output_size, num_tokens)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """features: (batch, frames, dim); lengths: (batch,) in frames, at least 1 each.

        Returns natural log-probabilities (batch, output frames, tokens) and their lengths (batch,).
        """
        hidden, lengths = self.front(features, lengths)
        hidden, _ = self.recurrent(self.dropout(hidden), lengths, return_states=False)
        return self.head(self.dropout(hidden)).float().log_softmax(dim=-1), lengths

    def log_probs(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Samples (batch, time) in [-1, 1] and lengths (batch,) to log-probabilities and their lengths."""
        features, frame_lengths = self.features(samples, lengths)
        if features.shape[1] == 0:
            return features.new_zeros(len(samples), 0, self.head.out_features), frame_lengths
        log_probs, output_lengths = self(features, frame_lengths.clamp(min=1))
        return log_probs, torch.where(frame_lengths > 0, output_lengths, 0)
