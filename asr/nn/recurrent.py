"""The recurrent stack that every model of the project uses."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

KINDS = ("lstm",)

State = tuple[Tensor, Tensor]


def reverse_within_lengths(sequence: Tensor, lengths: Tensor) -> Tensor:
    """Each sequence of (batch, time, features) reversed within its own length; its padding stays where it is."""
    time = torch.arange(sequence.shape[1], device=sequence.device)
    mirrored = lengths[:, None] - 1 - time[None, :]
    index = torch.where(mirrored >= 0, mirrored, time[None, :])
    return sequence.gather(1, index[:, :, None].expand_as(sequence))


class Recurrent(nn.Module):
    """A stack of recurrent layers over padded sequences with lengths.

    Padding never changes the result of a sequence, in either direction, and outputs beyond a sequence's length are
    zero, as after `torch.nn.utils.rnn.pad_packed_sequence`. The backward direction reads each sequence reversed within
    its own length through the dense kernel: it equals packing, which on the CPU leaves the fused kernel.

    kind: one of `KINDS`. input_size, hidden_size: features in, units per direction. dropout: between layers.
    Raises ValueError for an unknown kind or sizes below 1.
    """

    def __init__(
        self,
        kind: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        projection_size: int | None = None,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"unknown recurrent kind '{kind}'; known: {', '.join(KINDS)}")
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError("input_size, hidden_size and num_layers must be at least 1")
        if projection_size is not None:
            raise ValueError(f"kind '{kind}' has no projection")
        self.kind = kind
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = nn.Dropout(dropout)
        self.output_size = hidden_size * (2 if bidirectional else 1)
        sizes = [input_size] + [self.output_size] * (num_layers - 1)
        self.forwards = nn.ModuleList(nn.LSTM(size, hidden_size, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(
            nn.LSTM(size, hidden_size, batch_first=True) for size in (sizes if bidirectional else [])
        )

    def forward(
        self,
        inputs: Tensor,
        lengths: Tensor | None = None,
        states: State | None = None,
        return_states: bool = True,
    ) -> tuple[Tensor, State | None]:
        """Run the stack.

        inputs: (batch, time, input_size); lengths: (batch,) in steps, at least 1, or None when nothing is padded;
        states: initial h and c, each (num_layers * directions, batch, hidden_size) in torch's order, zeros if None.
        Returns outputs (batch, time, output_size) and the final states, or None for them with `return_states=False`
        (what to choose for unequal lengths: the final cell states of those need the slower packed path).
        """
        dense = lengths is None or bool((lengths == inputs.shape[1]).all())
        packed = return_states and not dense
        mask = None
        if lengths is not None and not dense:
            lengths = lengths.to(inputs.device)
            mask = torch.arange(inputs.shape[1], device=inputs.device)[None, :] < lengths[:, None]
        finals: list[State] = []
        layer_input = inputs
        for layer in range(self.num_layers):
            if layer > 0:
                layer_input = self.dropout(layer_input)
            outputs = []
            for direction, lstm in enumerate(self._directions(layer)):
                initial = self._initial(states, len(finals))
                output, final = self._run(
                    lstm, layer_input, None if dense else lengths, initial, direction == 1, packed
                )
                outputs.append(output)
                finals.append(final)
            layer_input = torch.cat(outputs, dim=-1) if self.bidirectional else outputs[0]
        if mask is not None:
            layer_input = layer_input * mask[:, :, None].to(layer_input.dtype)
        if not return_states:
            return layer_input, None
        return layer_input, (torch.cat([h for h, _ in finals]), torch.cat([c for _, c in finals]))

    def _directions(self, layer: int) -> list[nn.Module]:
        return [self.forwards[layer]] + ([self.backwards[layer]] if self.bidirectional else [])

    @staticmethod
    def _initial(states: State | None, index: int) -> State | None:
        if states is None:
            return None
        hidden, cell = states
        return hidden[index : index + 1].contiguous(), cell[index : index + 1].contiguous()

    @staticmethod
    def _run(
        lstm: nn.Module, inputs: Tensor, lengths: Tensor | None, initial: State | None, backward: bool, packed: bool
    ) -> tuple[Tensor, State]:
        """One direction of one layer; lengths is None when nothing is padded."""
        if backward:
            inputs = inputs.flip(1) if lengths is None else reverse_within_lengths(inputs, lengths)
        if packed and lengths is not None:
            pack = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
            pack, final = lstm(pack, initial)
            outputs, _ = pad_packed_sequence(pack, batch_first=True, total_length=inputs.shape[1])
        else:
            outputs, final = lstm(inputs, initial)
        if backward:
            outputs = outputs.flip(1) if lengths is None else reverse_within_lengths(outputs, lengths)
        return outputs, final
