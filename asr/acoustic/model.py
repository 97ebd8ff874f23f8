"""The acoustic model: subsampling, a recurrent stack, a linear CTC head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from asr.acoustic.blocks import ConvolutionalFront, EveryFrame, FeedForward, ResidualStack, SelfAttention, StackedFront
from asr.acoustic.gaussian import ACOUSTIC_SCALE, GaussianMixtures
from asr.audio.features import FeatureConfig, Features
from asr.errors import ConfigError
from asr.nn import KINDS, Dropout, Recurrent


@dataclass(frozen=True)
class AcousticConfig:
    """Sizes of the acoustic model."""

    # Of the recurrent stack; feedforward: none, layers without memory in its place; gaussian: neither stack nor front,
    # mixtures of hidden_size Gaussians for each token, which is then a state of a hidden Markov model.
    kind: str = "lstm"
    hidden_size: int = 320
    num_layers: int = 3
    bidirectional: bool = True
    dropout: float = 0.2
    weight_dropout: float = 0.0  # of recurrent weights, for a batch (Merity et al. 2018)
    conv_channels: int = 32  # of the convolutions that subsample; 0: none, frames are stacked
    # Output frames, odd, that a convolution after each layer sees; layers and convolutions are added to what they read,
    # input_size wide. 0: a plain stack.
    block_kernel: int = 0
    attention_heads: int = 0  # of self-attention after the stack, in blocks after each layer; 0: none
    subsampling: int = 4  # feature frames per output frame: 1, 2, 3, 4 or 6
    input_size: int = 320  # of the recurrent stack, after the convolutions
    features: FeatureConfig = field(default_factory=FeatureConfig)

    def __post_init__(self) -> None:
        if self.subsampling not in STRIDES:
            raise ConfigError(
                f"model.subsampling must be one of {', '.join(map(str, STRIDES))}, not {self.subsampling}."
            )
        if self.kind not in (*KINDS, FEEDFORWARD, GAUSSIAN):
            known = ", ".join([*KINDS, FEEDFORWARD, GAUSSIAN])
            raise ConfigError(f"model.kind must be one of {known}, not '{self.kind}'.")
        if self.kind == GAUSSIAN and self.subsampling != 1:
            raise ConfigError("model.kind = 'gaussian' takes every feature frame: set model.subsampling = 1.")
        if self.block_kernel and (self.kind not in KINDS or self.block_kernel < 0 or self.block_kernel % 2 == 0):
            raise ConfigError("model.block_kernel must be odd, or 0, and needs recurrent layers.")
        width = self.hidden_size * (2 if self.bidirectional and self.kind != FEEDFORWARD else 1)
        width = self.input_size if self.block_kernel else width
        if self.attention_heads and (self.kind == "lstm-projected" or width % self.attention_heads):
            raise ConfigError(f"model.attention_heads must divide the stack's width of {width}, and not be projected.")

    @property
    def seconds_per_frame(self) -> float:
        """Duration of one output frame in seconds."""
        return self.features.frame_shift_ms * self.subsampling / 1000


FEEDFORWARD, GAUSSIAN = "feedforward", "gaussian"
STRIDES = {1: (1, 1), 2: (2, 1), 3: (3, 1), 4: (2, 2), 6: (3, 2)}  # in time, of the two convolutions


class AcousticModel(nn.Module):
    """Features to log-probabilities of tokens, for CTC or, of Gaussian mixtures, for a hidden Markov model."""

    def __init__(self, config: AcousticConfig, num_tokens: int) -> None:
        super().__init__()
        self.config = config
        self.num_tokens = num_tokens
        self.features = Features(config.features)
        self.front: ConvolutionalFront | StackedFront | EveryFrame
        dim, size = config.features.dim, config.input_size
        self.mixtures = None
        if config.kind == GAUSSIAN:
            self.front, self.mixtures = EveryFrame(), GaussianMixtures(num_tokens, config.hidden_size, dim)
            return
        if config.conv_channels:
            self.front = ConvolutionalFront(dim, config.conv_channels, STRIDES[config.subsampling], size)
        else:
            self.front = StackedFront(dim, config.subsampling, size)
        self.recurrent: Recurrent | ResidualStack | FeedForward
        if config.kind == FEEDFORWARD:
            self.recurrent = FeedForward(size, config.hidden_size, config.num_layers, config.dropout)
        elif config.block_kernel:
            layers = [_recurrent(config, 1) for _ in range(config.num_layers)]
            self.recurrent = ResidualStack(size, layers, config.block_kernel, config.dropout, config.attention_heads)
        else:
            self.recurrent = _recurrent(config, config.num_layers)
        self.attention = None
        if config.attention_heads and not config.block_kernel:
            self.attention = SelfAttention(self.recurrent.output_size, config.attention_heads, config.dropout)
        self.dropout = Dropout(config.dropout)
        self.head = nn.Linear(self.recurrent.output_size, num_tokens)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """features: (batch, frames, dim); lengths: (batch,) in frames, at least 1 each.

        Returns natural log-probabilities (batch, output frames, tokens) and their lengths (batch,).
        """
        hidden, lengths = self.front(features, lengths)
        if self.mixtures is not None:
            return (ACOUSTIC_SCALE * self.mixtures(hidden)).log_softmax(dim=-1), lengths
        if isinstance(self.recurrent, Recurrent):
            hidden, _ = self.recurrent(self.dropout(hidden), lengths, return_states=False)
        else:
            hidden = self.recurrent(self.dropout(hidden), lengths)
        if self.attention is not None:
            hidden = self.attention(hidden, lengths)
        return self.head(self.dropout(hidden)).float().log_softmax(dim=-1), lengths

    def take(self, weights: Mapping[str, Tensor]) -> None:
        """Put in a model's weights; self-attention that it lacks adds nothing at first.

        Raises RuntimeError if anything else is of another size.
        """
        given = dict(weights)
        for name, module in self.named_modules():
            if isinstance(module, SelfAttention) and not any(key.startswith(f"{name}.") for key in weights):
                module.begin_with_nothing()
                given |= module.state_dict(prefix=f"{name}.")
        self.load_state_dict(given)

    def log_probs(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Samples (batch, time) in [-1, 1] and lengths (batch,) to log-probabilities and their lengths."""
        features, frame_lengths = self.features(samples, lengths)
        if features.shape[1] == 0:
            return features.new_zeros(len(samples), 0, self.num_tokens), frame_lengths
        log_probs, output_lengths = self(features, frame_lengths.clamp(min=1))
        return log_probs, torch.where(frame_lengths > 0, output_lengths, 0)


def _recurrent(config: AcousticConfig, layers: int) -> Recurrent:
    return Recurrent(
        config.kind, config.input_size, config.hidden_size, layers, config.bidirectional, config.dropout,
        weight_dropout=config.weight_dropout,
    )  # fmt: skip
