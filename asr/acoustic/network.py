"""The acoustic model: subsampling, a recurrent stack, a linear CTC head."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from asr.acoustic.blocks import ConvolutionalFront, EveryFrame, FeedForward, ResidualStack, SelfAttention, StackedFront
from asr.acoustic.config import FEEDFORWARD, GAUSSIAN, STRIDES, AcousticConfig
from asr.audio.features import Features
from asr.gmm.training import ACOUSTIC_SCALE, GaussianMixtures
from asr.nn import Dropout, Recurrent


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
