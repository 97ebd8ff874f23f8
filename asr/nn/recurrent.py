"""The recurrent stack that every model of the project uses."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.nn import kernels
from asr.nn.dropout import Dropout, dropout
from asr.nn.kernels import bf16_lstm
from asr.nn.kinds import KINDS
from asr.nn.lengths import inside
from asr.nn.stepped import ArticleLstm, CoupledLstm, EchoState, LayerNormLstm, PeepholeLstm, SteppedLayer

State = tuple[Tensor, ...]

# Kinds that torch has fused layers for, and those that run one step at a time.
_FUSED: dict[str, Callable[..., nn.RNNBase]] = {
    "lstm": lambda size, hidden, _: nn.LSTM(size, hidden, batch_first=True),
    "lstm-projected": lambda size, hidden, projection: nn.LSTM(size, hidden, batch_first=True, proj_size=projection),
    "gru": lambda size, hidden, _: nn.GRU(size, hidden, batch_first=True),
    "rnn": lambda size, hidden, _: nn.RNN(size, hidden, batch_first=True),
    "rnn-relu": lambda size, hidden, _: nn.RNN(size, hidden, nonlinearity="relu", batch_first=True),
}
_STEPPED: dict[str, Callable[[int, int], SteppedLayer]] = {
    "lstm-article": ArticleLstm,
    "lstm-peephole": PeepholeLstm,
    "lstm-coupled": CoupledLstm,
    "lstm-layernorm": LayerNormLstm,
    "esn": EchoState,
}
# The functions behind torch's layers, which take their weights as arguments.
_FUNCTIONS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "lstm": torch.lstm, "lstm-projected": torch.lstm, "gru": torch.gru, "rnn": torch.rnn_tanh,
    "rnn-relu": torch.rnn_relu,
}  # fmt: skip


def reverse_within_lengths(sequence: Tensor, lengths: Tensor) -> Tensor:
    """Each sequence of (batch, time, features) reversed within its own length; its padding stays in place."""
    time = torch.arange(sequence.shape[1], device=sequence.device)
    mirrored = lengths[:, None] - 1 - time[None, :]
    index = torch.where(mirrored >= 0, mirrored, time[None, :])
    return sequence.gather(1, index[:, :, None].expand_as(sequence))


def layer_of(name: str) -> int:
    """The layer, from 0, of a stack's parameter such as "forwards.1.weight_ih_l0"."""
    return int(name.split(".")[1])


class Recurrent(nn.Module):
    """A stack of recurrent layers over padded sequences with lengths.

    Padding never changes the result of a sequence, in either direction, and outputs beyond a sequence's length are
    zero, as after `torch.nn.utils.rnn.pad_packed_sequence`. The backward direction reads each sequence reversed within
    its own length through the dense kernel: that equals packing, which on the CPU leaves the fused kernel.

    kind: one of `KINDS`; `asr.nn.cells` has the equations and papers. input_size, hidden_size: features in, units per
    direction. dropout: between layers; with `variational` one mask for all steps of a sequence (Gal & Ghahramani 2016).
    projection_size: of `lstm-projected`, half of hidden_size by default. weight_dropout: of the recurrent weights, one
    mask a call (Merity et al. 2018).
    Raises ValueError for an unknown kind, sizes below 1, or an option that the kind does not have.
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
        *,
        variational: bool = False,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"unknown recurrent kind '{kind}'; known: {', '.join(KINDS)}")
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError("input_size, hidden_size and num_layers must be at least 1")
        if projection_size is not None and (kind != "lstm-projected" or not 0 < projection_size < hidden_size):
            raise ValueError("only kind 'lstm-projected' has a projection_size, and it must be below hidden_size")
        self.kind, self.input_size, self.hidden_size, self.num_layers = kind, input_size, hidden_size, num_layers
        self.bidirectional, self.weight_dropout, self.variational = bidirectional, weight_dropout, variational
        self.dropout = Dropout(dropout)
        width = (projection_size or max(1, hidden_size // 2)) if kind == "lstm-projected" else hidden_size
        self.output_size = width * (2 if bidirectional else 1)

        def layer(size: int) -> nn.Module:
            return _FUSED[kind](size, hidden_size, width) if kind in _FUSED else _STEPPED[kind](size, hidden_size)

        sizes = [input_size] + [self.output_size] * (num_layers - 1)
        self.forwards = nn.ModuleList(layer(size) for size in sizes)
        self.backwards = nn.ModuleList(layer(size) for size in (sizes if bidirectional else []))

    def forward(
        self,
        inputs: Tensor,
        lengths: Tensor | None = None,
        states: State | None = None,
        return_states: bool = True,
    ) -> tuple[Tensor, State | None]:
        """Outputs (batch, time, output_size) and the final states, or None for them with `return_states=False`.

        inputs: (batch, time, input_size); lengths: (batch,) in steps, at least 1, or None when nothing is padded;
        states: what an earlier call returned, zeros if None: of an LSTM h and c, else h alone, each (num_layers *
        directions, batch, size) in torch's order.
        For sequences of different lengths leave the states out if they are not needed: the final cell states of torch's
        LSTM then need the slower packed path.
        """
        if states is None and not return_states and self._on_cuda_kernels(inputs):
            return self._by_cuda_kernels(inputs, lengths), None
        dense = lengths is None or bool((lengths == inputs.shape[1]).all())
        mask = None
        if lengths is not None and not dense:
            lengths = lengths.to(inputs.device)
            mask = inside(lengths, inputs.shape[1])
        finals: list[State] = []
        hidden = inputs
        for layer in range(self.num_layers):
            if layer > 0:
                hidden = self._dropped(hidden)
            outputs = []
            for direction, module in enumerate(self._directions(layer)):
                initial = None if states is None else tuple(state[len(finals)].contiguous() for state in states)
                used = None if dense else lengths
                output, final = self._run(module, hidden, used, initial, direction == 1, return_states)
                outputs.append(output)
                finals.append(final)
            hidden = torch.cat(outputs, dim=-1) if self.bidirectional else outputs[0]
        if mask is not None:
            hidden = hidden * mask[:, :, None].to(hidden.dtype)
        if not return_states:
            return hidden, None
        return hidden, tuple(torch.stack(parts) for parts in zip(*finals, strict=True))

    def run_layers(self, inputs: Tensor, layers: int) -> Tensor:
        """The outputs (time, output_size) of the first `layers` layers for one sequence (time, input_size), in
        evaluation mode; the inputs themselves for 0."""
        hidden = inputs[None]
        for layer in range(layers):
            parts = [
                self._run(module, hidden, None, None, direction == 1, False)[0]
                for direction, module in enumerate(self._directions(layer))
            ]
            hidden = torch.cat(parts, dim=-1)
        return hidden[0]

    def _on_cuda_kernels(self, inputs: Tensor) -> bool:
        """Whether `cuda_lstm` runs the stack."""
        first = self.forwards[0]
        if not inputs.is_cuda or self.kind != "lstm" or not isinstance(first, nn.LSTM) or not kernels.enabled():
            return False
        if find_spec("triton") is None:
            return False
        from asr.nn.kernels import cuda_lstm

        return cuda_lstm.fits(inputs, first.get_parameter("weight_hh_l0"))

    def _by_cuda_kernels(self, inputs: Tensor, lengths: Tensor | None) -> Tensor:
        """The outputs, both directions of a layer at once, within lengths, from zero states."""
        from asr.nn.kernels import cuda_lstm

        if lengths is None:
            lengths = torch.full((len(inputs),), inputs.shape[1])
        lengths = lengths.to(inputs.device)
        hidden = inputs
        for layer in range(self.num_layers):
            weights = [self._weights(module) for module in self._directions(layer)]
            hidden = cuda_lstm.run_layer(self._dropped(hidden) if layer else hidden, lengths, weights)
        return hidden

    def _dropped(self, hidden: Tensor) -> Tensor:
        """(batch, time, size) after the dropout between layers."""
        if not self.variational:
            values: Tensor = self.dropout(hidden)
            return values
        mask: Tensor = self.dropout(hidden.new_ones(hidden.shape[0], 1, hidden.shape[2]))
        return hidden * mask

    def _directions(self, layer: int) -> list[nn.Module]:
        return [self.forwards[layer]] + ([self.backwards[layer]] if self.bidirectional else [])

    def _run(
        self,
        module: nn.Module,
        inputs: Tensor,
        lengths: Tensor | None,
        initial: State | None,
        backward: bool,
        return_states: bool,
    ) -> tuple[Tensor, State]:
        """One direction of one layer; lengths is None when nothing is padded. States are (batch, size)."""
        if backward:
            inputs = inputs.flip(1) if lengths is None else reverse_within_lengths(inputs, lengths)
        if isinstance(module, SteppedLayer):
            weight = dropout(module.weight_hh, self.weight_dropout, self.training) if self.weight_dropout else None
            outputs, final = module(inputs, initial, lengths if return_states else None, weight)
        elif initial is None and not return_states and self._on_bf16_kernel(inputs):
            outputs, final = bf16_lstm.run_layer(inputs, self._weights(module)), ()
        else:
            outputs, final = self._run_fused(module, inputs, lengths if return_states else None, initial)
        if backward:
            outputs = outputs.flip(1) if lengths is None else reverse_within_lengths(outputs, lengths)
        return outputs, final

    def _on_bf16_kernel(self, inputs: Tensor) -> bool:
        """Whether `bf16_lstm` runs a layer."""
        return self.kind == "lstm" and bf16_lstm.fits(inputs) and kernels.enabled()

    def _run_fused(
        self, module: nn.Module, inputs: Tensor, lengths: Tensor | None, initial: State | None
    ) -> tuple[Tensor, State]:
        """torch's fused layer; with lengths, which final states of padded rows need, an LSTM runs packed."""
        is_lstm = isinstance(module, nn.LSTM)
        start: Any = None  # torch's layers take h and c of an LSTM, h alone of others
        if initial is not None:
            start = tuple(state[None] for state in initial) if is_lstm else initial[0][None]
        if self.weight_dropout and self.training:
            outputs, final = self._with_dropped_weights(module, inputs, start)
        elif lengths is not None and is_lstm:
            packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
            packed, final = module(packed, start)
            outputs, _ = pad_packed_sequence(packed, batch_first=True, total_length=inputs.shape[1])
        else:
            outputs, final = module(inputs, start)
        states = final if isinstance(final, tuple) else (final,)
        if lengths is not None and not is_lstm:
            return outputs, (outputs[torch.arange(len(outputs), device=outputs.device), lengths - 1],)
        return outputs, tuple(state[0] for state in states)

    def _with_dropped_weights(self, module: nn.Module, inputs: Tensor, start: Any) -> tuple[Tensor, Any]:
        """torch's fused layer with some of its recurrent weights dropped."""
        is_lstm = isinstance(module, nn.LSTM)
        if start is None:
            sizes = [self.output_size // (2 if self.bidirectional else 1)]
            sizes += [self.hidden_size] if is_lstm else []
            zeros = tuple(inputs.new_zeros(1, len(inputs), size) for size in sizes)
            start = zeros if is_lstm else zeros[0]
        outputs, *final = _FUNCTIONS[self.kind](
            inputs, start, self._weights(module), has_biases=True, num_layers=1, dropout=0.0, train=True,
            bidirectional=False, batch_first=True,
        )  # fmt: skip
        return outputs, tuple(final) if is_lstm else final[0]

    def _weights(self, module: nn.Module) -> list[Tensor]:
        """The weights of one of torch's layers, in its order; in training some of the recurrent ones are dropped."""
        share = self.weight_dropout if self.training else 0.0
        return [
            dropout(value, share) if share and name.startswith("weight_hh") else value
            for name, value in module.named_parameters()
        ]
