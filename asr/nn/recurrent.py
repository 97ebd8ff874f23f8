"""The recurrent stack that every model of the project uses."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.nn.dropout import Dropout, dropout
from asr.nn.kernels import bf16_lstm as mixed_lstm
from asr.nn.kinds import KINDS
from asr.nn.stepped import ArticleLstm, CoupledLstm, EchoState, LayerNormLstm, PeepholeLstm, SteppedLayer, SteppedLstm

State = tuple[Tensor, ...]

# Kinds that torch has kernels for, and those that run a step at a time.
_FUSED: dict[str, Callable[..., nn.RNNBase]] = {
    "lstm": lambda size, hidden, _: nn.LSTM(size, hidden, batch_first=True),
    "lstm-projected": lambda size, hidden, projection: nn.LSTM(size, hidden, batch_first=True, proj_size=projection),
    "gru": lambda size, hidden, _: nn.GRU(size, hidden, batch_first=True),
    "rnn": lambda size, hidden, _: nn.RNN(size, hidden, batch_first=True),
    "rnn-relu": lambda size, hidden, _: nn.RNN(size, hidden, nonlinearity="relu", batch_first=True),
}
_STEPPED: dict[str, Callable[..., SteppedLayer]] = {
    "lstm-article": ArticleLstm,
    "lstm-peephole": PeepholeLstm,
    "lstm-coupled": CoupledLstm,
    "lstm-layernorm": LayerNormLstm,
    "esn": EchoState,
}
_KERNELS: dict[str, Any] = {
    "lstm": torch.lstm, "lstm-projected": torch.lstm, "gru": torch.gru, "rnn": torch.rnn_tanh,
    "rnn-relu": torch.rnn_relu,
}  # fmt: skip


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

    kind: one of `KINDS`; `asr.nn.cells` has the equations and papers. input_size, hidden_size: features in, units per
    direction. dropout: of what goes from layer to layer; with `variational` one mask for all steps of a sequence (Gal &
    Ghahramani 2016). projection_size: of `lstm-projected`, half of hidden_size by default. weight_dropout: of the
    recurrent weights, one mask a call (Merity et al. 2018). zoneout: share of units that keep their value (Krueger et
    al. 2017), not for the kinds that torch runs, but for the standard LSTM, which then runs by steps.
    Raises ValueError for an unknown kind, sizes below 1, or an option that the kind has not.
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
        zoneout: float = 0.0,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"unknown recurrent kind '{kind}'; known: {', '.join(KINDS)}")
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError("input_size, hidden_size and num_layers must be at least 1")
        if projection_size is not None and (kind != "lstm-projected" or not 0 < projection_size < hidden_size):
            raise ValueError("only kind 'lstm-projected' has a projection_size, and it lies below hidden_size")
        if zoneout and kind in _FUSED and kind != "lstm":
            raise ValueError(f"kind '{kind}' has no zoneout")
        self.kind, self.input_size, self.hidden_size, self.num_layers = kind, input_size, hidden_size, num_layers
        self.bidirectional, self.weight_dropout, self.variational = bidirectional, weight_dropout, variational
        self.dropout = Dropout(dropout)
        width = (projection_size or max(1, hidden_size // 2)) if kind == "lstm-projected" else hidden_size
        self.output_size = width * (2 if bidirectional else 1)

        def layer(size: int) -> nn.Module:
            if kind == "lstm" and zoneout:
                return SteppedLstm(size, hidden_size, zoneout)
            if kind in _FUSED:
                return _FUSED[kind](size, hidden_size, width)
            return _STEPPED[kind](size, hidden_size, **({"zoneout": zoneout} if zoneout else {}))

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
        """Run the stack.

        inputs: (batch, time, input_size); lengths: (batch,) in steps, at least 1, or None when nothing is padded;
        states: what an earlier call returned, zeros if None: of an LSTM h and c, else h alone, each (num_layers *
        directions, batch, size) in torch's order.
        Returns outputs (batch, time, output_size) and the final states, or None for them with `return_states=False`
        (what to choose for unequal lengths: the final cell states of torch's LSTM then need the slower packed path).
        """
        if states is None and not return_states and self._has_kernels(inputs):
            return self._by_kernels(inputs, lengths), None
        dense = lengths is None or bool((lengths == inputs.shape[1]).all())
        mask = None
        if lengths is not None and not dense:
            lengths = lengths.to(inputs.device)
            mask = torch.arange(inputs.shape[1], device=inputs.device)[None, :] < lengths[:, None]
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

    def _has_kernels(self, inputs: Tensor) -> bool:
        """Whether `lstm_kernels` run the stack."""
        first = self.forwards[0]
        if not inputs.is_cuda or self.kind != "lstm" or not isinstance(first, nn.LSTM) or find_spec("triton") is None:
            return False
        from asr.nn.kernels import cuda_lstm as lstm_kernels

        return lstm_kernels.fits(inputs, first.get_parameter("weight_hh_l0"))

    def _by_kernels(self, inputs: Tensor, lengths: Tensor | None) -> Tensor:
        """Both directions of a layer at once, within lengths, from zeros."""
        from asr.nn.kernels import cuda_lstm as lstm_kernels

        if lengths is None:
            lengths = torch.full((len(inputs),), inputs.shape[1])
        lengths = lengths.to(inputs.device)
        hidden = inputs
        for layer in range(self.num_layers):
            weights = [self._weights(module) for module in self._directions(layer)]
            hidden = lstm_kernels.run_layer(self._dropped(hidden) if layer else hidden, lengths, weights)
        return hidden

    def _dropped(self, hidden: Tensor) -> Tensor:
        if not self.variational:
            return self.dropout(hidden)
        return hidden * self.dropout(hidden.new_ones(hidden.shape[0], 1, hidden.shape[2]))

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
        elif self.kind == "lstm" and initial is None and not return_states and mixed_lstm.fits(inputs):
            outputs, final = mixed_lstm.run_layer(inputs, self._weights(module)), ()
        else:
            outputs, final = self._run_kernel(module, inputs, lengths if return_states else None, initial)
        if backward:
            outputs = outputs.flip(1) if lengths is None else reverse_within_lengths(outputs, lengths)
        return outputs, final

    def _run_kernel(
        self, module: Any, inputs: Tensor, lengths: Tensor | None, initial: State | None
    ) -> tuple[Tensor, State]:
        """torch's kernel; with lengths, which final states of padded rows need, an LSTM runs packed."""
        start: Any = None
        if initial is not None:
            start = tuple(state[None] for state in initial) if isinstance(module, nn.LSTM) else initial[0][None]
        if self.weight_dropout and self.training:
            outputs, final = self._with_dropped_weights(module, inputs, start)
        elif lengths is not None and isinstance(module, nn.LSTM):
            packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
            packed, final = module(packed, start)
            outputs, _ = pad_packed_sequence(packed, batch_first=True, total_length=inputs.shape[1])
        else:
            outputs, final = module(inputs, start)
        states = final if isinstance(final, tuple) else (final,)
        if lengths is not None and not isinstance(module, nn.LSTM):
            return outputs, (outputs[torch.arange(len(outputs), device=outputs.device), lengths - 1],)
        return outputs, tuple(state[0] for state in states)

    def _with_dropped_weights(self, module: Any, inputs: Tensor, start: Any) -> tuple[Tensor, Any]:
        if start is None:
            sizes = [self.output_size // (2 if self.bidirectional else 1)]
            sizes += [self.hidden_size] if isinstance(module, nn.LSTM) else []
            zeros = tuple(inputs.new_zeros(1, len(inputs), size) for size in sizes)
            start = zeros if isinstance(module, nn.LSTM) else zeros[0]
        found = _KERNELS[self.kind](inputs, start, self._weights(module), True, 1, 0.0, True, False, True)
        return found[0], found[1:] if isinstance(module, nn.LSTM) else found[1]

    def _weights(self, module: nn.Module) -> list[Tensor]:
        """Of one of torch's layers, in its order; in training some of the recurrent ones are dropped."""
        share = self.weight_dropout if self.training else 0.0
        return [
            dropout(value, share) if share and name.startswith("weight_hh") else value
            for name, value in module.named_parameters()
        ]
