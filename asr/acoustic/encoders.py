"""Encoders of acoustic models: recurrent stacks, residual blocks, layers without memory, self-attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import glu, linear, pad, scaled_dot_product_attention, silu

from asr.acoustic.config import FEEDFORWARD, AcousticConfig
from asr.errors import ConfigError
from asr.nn import Dropout, Recurrent
from asr.nn.dropout import dropout
from asr.nn.lengths import inside, without_padding

CONTEXT = 5  # output frames on either side that a network without memory reads at once


class Encoder(nn.Module):
    """Reads hidden vectors (batch, frames, input size) and writes (batch, frames, output_size).

    Padding never changes the output of an utterance.
    """

    output_size: int
    # The beginnings of its parameters' names and what files have in their place: format 1 of model folders calls every
    # encoder `recurrent`.
    stored_names: tuple[tuple[str, str], ...]

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """hidden: (batch, frames, input size); lengths: (batch,) in frames, at least 1 each."""
        raise NotImplementedError

    def recurrent_layer(self, layer: int, hidden: Tensor, lengths: Tensor) -> tuple[Recurrent, int, Tensor]:
        """The recurrent stack that holds a layer, the layer's number in it, and the stack's input.

        layer: from 0. Raises ConfigError if the encoder has no such layer.
        """
        raise ConfigError("the model has no recurrent layers.")


def build_encoder(config: AcousticConfig) -> Encoder:
    """The encoder of a model, with new weights."""
    if config.block_kernel:
        layers = [_recurrent(config, 1) for _ in range(config.num_layers)]
        return ResidualStack(
            config.input_size, layers, config.block_kernel, config.dropout, config.attention_heads
        )  # fmt: skip
    encoder: Encoder
    if config.kind == FEEDFORWARD:
        encoder = FeedForward(config.input_size, config.hidden_size, config.num_layers, config.dropout)
    else:
        encoder = RecurrentStack(_recurrent(config, config.num_layers))
    return AttentionAfter(encoder, config.attention_heads, config.dropout) if config.attention_heads else encoder


def _recurrent(config: AcousticConfig, layers: int) -> Recurrent:
    return Recurrent(
        config.kind, config.input_size, config.hidden_size, layers, config.bidirectional, config.dropout,
        weight_dropout=config.weight_dropout,
    )  # fmt: skip


class RecurrentStack(Encoder):
    """Recurrent layers one above the other."""

    stored_names = (("recurrent.", "recurrent."),)

    def __init__(self, recurrent: Recurrent) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.output_size = recurrent.output_size

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        outputs: Tensor = self.recurrent(hidden, lengths, return_states=False)[0]
        return outputs

    def recurrent_layer(self, layer: int, hidden: Tensor, lengths: Tensor) -> tuple[Recurrent, int, Tensor]:
        return self.recurrent, layer, hidden


class FeedForward(Encoder):
    """Layers without memory, which read `CONTEXT` frames on either side of each frame."""

    stored_names = (("", "recurrent."),)

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [input_size * (2 * CONTEXT + 1)] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(nn.Linear(size, hidden_size) for size in sizes)
        self.dropout = Dropout(dropout)
        self.output_size = hidden_size

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, input_size) -> (batch, frames, hidden_size)."""
        padded = pad(without_padding(inputs, lengths), (0, 0, CONTEXT, CONTEXT))
        frames = inputs.shape[1]
        hidden = torch.stack([padded[:, start : start + frames] for start in range(2 * CONTEXT + 1)], dim=3).flatten(2)
        for layer in self.layers:
            hidden = self.dropout(torch.relu(layer(hidden)))
        return hidden


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017) over all frames of an utterance, added to its input."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.attention = nn.MultiheadAttention(size, heads, dropout, batch_first=True)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, size) -> (batch, frames, size)."""
        # torch's module itself takes twice the time on a CPU.
        attention = self.attention
        projected = linear(self.norm(hidden), attention.in_proj_weight, attention.in_proj_bias)
        parts = projected.unflatten(2, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts  # each (batch, head, frames, size)
        within = inside(lengths.to(hidden.device), hidden.shape[1])
        # No mask is faster; asking a GPU whether one is needed would wait for it.
        mask = None if not within.is_cuda and within.all() else within[:, None, None, :]
        share = attention.dropout if self.training else 0.0
        if share and not hidden.is_cuda:
            attended = _attend(queries, keys, values, mask, share)
        else:
            attended = scaled_dot_product_attention(queries, keys, values, mask, share)
        output: Tensor = hidden + self.dropout(attention.out_proj(attended.transpose(1, 2).flatten(2)))
        return output

    def begin_with_nothing(self) -> None:
        """Make it add nothing at first, so that a trained model it is put into gives the same as before."""
        nn.init.zeros_(self.attention.out_proj.weight)
        nn.init.zeros_(self.attention.out_proj.bias)


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, share: float) -> Tensor:
    """`scaled_dot_product_attention` with a share of the weights dropped, in less than half its time on a CPU."""
    scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return dropout(scores.softmax(dim=-1), share) @ values


class AttentionAfter(Encoder):
    """Self-attention after another encoder."""

    def __init__(self, encoder: Encoder, heads: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.attention = SelfAttention(encoder.output_size, heads, dropout)
        self.output_size = encoder.output_size
        inner = tuple((f"encoder.{own}", stored) for own, stored in encoder.stored_names)
        self.stored_names = (*inner, ("attention.", "attention."))

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        attended: Tensor = self.attention(self.encoder(hidden, lengths), lengths)
        return attended

    def recurrent_layer(self, layer: int, hidden: Tensor, lengths: Tensor) -> tuple[Recurrent, int, Tensor]:
        return self.encoder.recurrent_layer(layer, hidden, lengths)


class ResidualStack(Encoder):
    """Recurrent layers with a convolution after each, each with a normalised input that its output is added to.

    The blocks of the Conformer (Gulati et al. 2020, section 2.2) with a recurrent layer where they have self-attention,
    or before it, and without their feed-forward halves. layers: each a stack of one layer that reads `size` features;
    heads: of self-attention between each layer and its convolution, 0 for none.
    """

    stored_names = (("", "recurrent."),)

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
        """(batch, frames, size) -> (batch, frames, size)."""
        normed: Tensor = self.final_norm(self._after(len(self.layers), hidden, lengths))
        return normed

    def input_of_layer(self, layer: int, hidden: Tensor, lengths: Tensor) -> Tensor:
        """The input of a recurrent layer, counted from 0: (batch, frames, size) -> (batch, frames, size)."""
        normed: Tensor = self.norms[layer](self._after(layer, hidden, lengths))
        return normed

    def recurrent_layer(self, layer: int, hidden: Tensor, lengths: Tensor) -> tuple[Recurrent, int, Tensor]:
        if layer >= len(self.layers):
            raise ConfigError(f"the stack has {len(self.layers)} layers.")
        stack = self.layers[layer]
        assert isinstance(stack, Recurrent)
        return stack, 0, self.input_of_layer(layer, hidden, lengths)

    def block_parameters(self, block: int) -> list[str]:
        """The names of a block's parameters, such as "norms.2.weight" of block 2."""
        return [name for name, _ in self.named_parameters() if name.split(".")[1] == str(block)]

    def writes(self, name: str) -> bool:
        """Whether a block's parameter belongs to a linear layer whose output is added to the block's input."""
        return name.startswith("projections.") or ".attention.out_proj." in name or ".mix." in name

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

    Normalisation is over features, not over the batch: the output of an utterance never depends on those beside it.
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
        """(batch, frames, size) -> (batch, frames, size)."""
        gated = without_padding(glu(self.gate(self.norm(hidden)), dim=-1), lengths)
        around = self.depthwise(gated.transpose(1, 2)[:, :, :, None])[:, :, :, 0].transpose(1, 2)
        mixed: Tensor = self.mix(silu(self.middle_norm(around)))
        return mixed
