"""Parts of acoustic models beside the recurrent stack: ways in, a network without memory, self-attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import glu, linear, pad, scaled_dot_product_attention, silu

from asr.nn import Dropout, Recurrent
from asr.nn.dropout import dropout
from asr.nn.lengths import inside

CONTEXT = 5  # output frames on either side that a network without memory sees at once


def cleared(hidden: Tensor, lengths: Tensor) -> Tensor:
    """(batch, frames, size) with zeros beyond each length."""
    return hidden * inside(lengths.to(hidden.device), hidden.shape[1])[:, :, None].to(hidden.dtype)


class EveryFrame(nn.Module):
    """No way in at all: the features as they are."""

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Output frames of so many feature frames."""
        return lengths

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return features, lengths


class ConvolutionalFront(nn.Module):
    """Two 3 x 3 convolutions that take the frame rate down, then a linear layer (batch, frames, output)."""

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
        """Output frames of so many feature frames."""
        for stride in self.strides:
            lengths = (lengths + stride - 1) // stride
        return lengths

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, dim) -> (batch, output frames, output_size); what lies beyond a length stays zero inside."""
        hidden = features[:, None]  # (batch, 1, frames, dim)
        for convolution, stride in ((self.first, self.strides[0]), (self.second, self.strides[1])):
            hidden = torch.relu(convolution(hidden))
            lengths = (lengths + stride - 1) // stride
            hidden = hidden * inside(lengths, hidden.shape[2])[:, None, :, None].to(hidden.dtype)
        batch, channels, frames, bins = hidden.shape
        hidden = hidden.transpose(1, 2).reshape(batch, frames, channels * bins)
        return self.norm(self.project(hidden)), lengths


class StackedFront(nn.Module):
    """Every few frames side by side through a linear layer: how models came by fewer frames before convolutions."""

    def __init__(self, dim: int, subsampling: int, output_size: int) -> None:
        super().__init__()
        self.subsampling = subsampling
        self.project = nn.Linear(dim * subsampling, output_size)
        self.norm = nn.LayerNorm(output_size)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Output frames of so many feature frames; the last one may be filled up with zeros."""
        return (lengths + self.subsampling - 1) // self.subsampling

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, dim) -> (batch, output frames, output_size)."""
        features = pad(cleared(features, lengths), (0, 0, 0, -features.shape[1] % self.subsampling))
        batch, frames, dim = features.shape
        stacked = features.reshape(batch, frames // self.subsampling, dim * self.subsampling)
        return self.norm(self.project(stacked)), self.output_lengths(lengths)


class FeedForward(nn.Module):
    """A network without memory in place of the recurrent stack: it sees `CONTEXT` frames on either side of each."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [input_size * (2 * CONTEXT + 1)] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(nn.Linear(size, hidden_size) for size in sizes)
        self.dropout = Dropout(dropout)
        self.output_size = hidden_size

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, input_size) -> (batch, frames, hidden_size)."""
        windows = pad(cleared(inputs, lengths), (0, 0, CONTEXT, CONTEXT)).unfold(1, 2 * CONTEXT + 1, 1)
        hidden = windows.flatten(2)
        for layer in self.layers:
            hidden = self.dropout(torch.relu(layer(hidden)))
        return hidden


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017) over all frames of an utterance, added to what it reads."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.attention = nn.MultiheadAttention(size, heads, dropout, batch_first=True)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, size) -> the same."""
        # The module's own way takes twice the time on a CPU.
        attention = self.attention
        read = linear(self.norm(hidden), attention.in_proj_weight, attention.in_proj_bias)
        parts = read.unflatten(2, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
        asked, keys, values = parts  # each (batch, head, frames, size)
        within = inside(lengths.to(hidden.device), hidden.shape[1])
        seen = None if not within.is_cuda and within.all() else within[:, None, None, :]  # a GPU would wait to answer
        share = attention.dropout if self.training else 0.0
        if share and not hidden.is_cuda:
            found = _attend(asked, keys, values, seen, share)
        else:
            found = scaled_dot_product_attention(asked, keys, values, seen, share)
        return hidden + self.dropout(attention.out_proj(found.transpose(1, 2).flatten(2)))

    def begin_with_nothing(self) -> None:
        """Make it add nothing at first, so that a trained model it is put into stays what it was."""
        nn.init.zeros_(self.attention.out_proj.weight)
        nn.init.zeros_(self.attention.out_proj.bias)


def _attend(asked: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None, share: float) -> Tensor:
    """`scaled_dot_product_attention` with a share of the weights dropped, in less than half its time on a CPU."""
    scores = (asked * asked.shape[-1] ** -0.5) @ keys.transpose(-2, -1)
    if seen is not None:
        scores = scores.masked_fill(~seen, float("-inf"))
    return dropout(scores.softmax(dim=-1), share) @ values


class ResidualStack(nn.Module):
    """Recurrent layers with a convolution after each, all normalised on the way in and added to what they read.

    The blocks of the Conformer (Gulati et al. 2020, section 2.2) with a recurrent layer where they have self-attention,
    or before it, and without their feed-forward halves. layers: each a stack of one layer that reads `size` features;
    heads: of self-attention between each layer and its convolution, 0 for none.
    """

    def __init__(self, size: int, layers: list[Recurrent], kernel: int, dropout: float, heads: int = 0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in layers)
        self.projections = nn.ModuleList(nn.Linear(layer.output_size, size) for layer in layers)
        self.attentions = nn.ModuleList(SelfAttention(size, heads, dropout) for _ in layers if heads)
        self.convolutions = nn.ModuleList(ConvolutionModule(size, kernel) for _ in layers)
        self.final_norm = nn.LayerNorm(size)
        self.dropout = Dropout(dropout)
        self.output_size = size

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, size) -> the same."""
        normed: Tensor = self.final_norm(self._after(len(self.layers), hidden, lengths))
        return normed

    def read_by(self, layer: int, hidden: Tensor, lengths: Tensor) -> Tensor:
        """What the recurrent layer of this number, from 0, is given: (batch, frames, size) -> the same."""
        normed: Tensor = self.norms[layer](self._after(layer, hidden, lengths))
        return normed

    def _after(self, blocks: int, hidden: Tensor, lengths: Tensor) -> Tensor:
        for index in range(blocks):
            outputs, _ = self.layers[index](self.norms[index](hidden), lengths, return_states=False)
            hidden = hidden + self.dropout(self.projections[index](self.dropout(outputs)))
            if self.attentions:
                hidden = self.attentions[index](hidden, lengths)
            hidden = hidden + self.dropout(self.convolutions[index](hidden, lengths))
        return hidden


class ConvolutionModule(nn.Module):
    """A gate, a convolution in time of each feature by itself, a linear layer (Gulati et al. 2020, figure 2).

    Normalisation is over features, not over the batch: what an utterance gives never depends on those beside it.
    """

    def __init__(self, size: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.gate = nn.Linear(size, 2 * size)
        # As a plane one wide: torch's convolution along a line takes five times as long for features by themselves.
        self.depthwise = nn.Conv2d(size, size, (kernel, 1), padding=(kernel // 2, 0), groups=size)
        self.middle_norm = nn.LayerNorm(size)
        self.mix = nn.Linear(size, size)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, size) -> the same."""
        gated = cleared(glu(self.gate(self.norm(hidden)), dim=-1), lengths)
        around = self.depthwise(gated.transpose(1, 2)[:, :, :, None])[:, :, :, 0].transpose(1, 2)
        mixed: Tensor = self.mix(silu(self.middle_norm(around)))
        return mixed
