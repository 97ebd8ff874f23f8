"""One step of each recurrent cell, written as its equations.

These are for reading and checking, not for speed: each kind of `Recurrent` is tested against its function here in
double precision. s is the logistic function, * is the product element by element. Everywhere x is (batch, input), h and
c are (batch, hidden), a W is (hidden, input), a U is (hidden, hidden), b is (hidden,).

`Gate` holds W, U and b of one gate.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import layer_norm


class Gate(NamedTuple):
    """The weights of one gate: of the input, of the last output, and the bias."""

    from_input: Tensor
    from_hidden: Tensor
    bias: Tensor

    def __call__(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """W x + U h + b."""
        return inputs @ self.from_input.T + hidden @ self.from_hidden.T + self.bias


def rnn_step(inputs: Tensor, hidden: Tensor, gate: Gate, relu: bool = False) -> Tensor:
    """The plain recurrent network: h' = tanh(W x + U h + b) (Elman 1990), or max(0, .) of it (Le et al. 2015)."""
    return gate(inputs, hidden).relu() if relu else torch.tanh(gate(inputs, hidden))


def lstm_step(
    inputs: Tensor,
    state: tuple[Tensor, Tensor],
    input_gate: Gate,
    forget_gate: Gate,
    candidate: Gate,
    output_gate: Gate,
) -> tuple[Tensor, Tensor]:
    """The LSTM with forget gate (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000).

    i = s(W_i x + U_i h + b_i)      f = s(W_f x + U_f h + b_f)
    g = tanh(W_g x + U_g h + b_g)   o = s(W_o x + U_o h + b_o)
    c' = f * c + i * g              h' = o * tanh(c')
    """
    hidden, cell = state
    remembered = torch.sigmoid(forget_gate(inputs, hidden)) * cell
    cell = remembered + torch.sigmoid(input_gate(inputs, hidden)) * torch.tanh(candidate(inputs, hidden))
    return torch.sigmoid(output_gate(inputs, hidden)) * torch.tanh(cell), cell


def article_lstm_step(
    inputs: Tensor,
    state: tuple[Tensor, Tensor],
    input_gate: Gate,
    forget_gate: Gate,
    candidate: Gate,
    output_from_cell: Tensor,
    output_from_hidden: Tensor,
    output_bias: Tensor,
) -> tuple[Tensor, Tensor]:
    """The LSTM as printed in the article that the project started from.

    f = s(W_f [h, x])   c' = (1 - f) * c + i * tanh(W_c [h, x])
    i = s(W_i [h, x])   o = s(W_o [tanh(c'), h])   h' = o * tanh(c')

    Here f is the share that is forgotten: 1 - f is the standard forget gate, so this gate is the standard one with the
    sign of its weights reversed. The output gate reads the new cell instead of the input.
    """
    hidden, cell = state
    forgotten = torch.sigmoid(forget_gate(inputs, hidden))
    cell = (1 - forgotten) * cell + torch.sigmoid(input_gate(inputs, hidden)) * torch.tanh(candidate(inputs, hidden))
    seen = torch.tanh(cell)
    output = torch.sigmoid(seen @ output_from_cell.T + hidden @ output_from_hidden.T + output_bias)
    return output * seen, cell


def peephole_lstm_step(
    inputs: Tensor,
    state: tuple[Tensor, Tensor],
    input_gate: Gate,
    forget_gate: Gate,
    candidate: Gate,
    output_gate: Gate,
    peepholes: Tensor,
) -> tuple[Tensor, Tensor]:
    """The LSTM whose gates read the cell (Gers & Schmidhuber 2000, "Recurrent nets that time and count").

    i = s(W_i x + U_i h + p_i * c + b_i)   f = s(W_f x + U_f h + p_f * c + b_f)
    c' = f * c + i * tanh(W_g x + U_g h + b_g)
    o = s(W_o x + U_o h + p_o * c' + b_o)  h' = o * tanh(c')

    peepholes: p_i, p_f, p_o as (3, hidden).
    """
    hidden, cell = state
    entry = torch.sigmoid(input_gate(inputs, hidden) + peepholes[0] * cell)
    forget = torch.sigmoid(forget_gate(inputs, hidden) + peepholes[1] * cell)
    cell = forget * cell + entry * torch.tanh(candidate(inputs, hidden))
    return torch.sigmoid(output_gate(inputs, hidden) + peepholes[2] * cell) * torch.tanh(cell), cell


def coupled_lstm_step(
    inputs: Tensor, state: tuple[Tensor, Tensor], input_gate: Gate, candidate: Gate, output_gate: Gate
) -> tuple[Tensor, Tensor]:
    """The LSTM with coupled input and forget gates, f = 1 - i (CIFG in Greff et al. 2017): c' = (1 - i) * c + i * g."""
    hidden, cell = state
    entry = torch.sigmoid(input_gate(inputs, hidden))
    cell = (1 - entry) * cell + entry * torch.tanh(candidate(inputs, hidden))
    return torch.sigmoid(output_gate(inputs, hidden)) * torch.tanh(cell), cell


def layernorm_lstm_step(
    inputs: Tensor,
    state: tuple[Tensor, Tensor],
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    gains: tuple[Tensor, Tensor, Tensor],
    cell_shift: Tensor,
) -> tuple[Tensor, Tensor]:
    """The layer-normalised LSTM (Ba, Kiros & Hinton 2016, equations 20 to 22).

    (i, f, g, o) = LN(W x) + LN(U h) + b, each of all four gates together
    c' = s(f) * c + s(i) * tanh(g)      h' = s(o) * tanh(LN(c'))

    weight_ih: (4 * hidden, input), weight_hh: (4 * hidden, hidden), gates in the order i, f, g, o; bias: (4 * hidden,).
    gains: of LN(W x), LN(U h), each (4 * hidden,), and of LN(c'), (hidden,), whose shift is cell_shift (hidden,).
    """
    hidden, cell = state
    width = weight_ih.shape[0]
    total = layer_norm(inputs @ weight_ih.T, (width,), gains[0])
    total = total + layer_norm(hidden @ weight_hh.T, (width,), gains[1]) + bias
    entry, keep, candidate, out = total.chunk(4, dim=-1)
    cell = torch.sigmoid(keep) * cell + torch.sigmoid(entry) * torch.tanh(candidate)
    return torch.sigmoid(out) * torch.tanh(layer_norm(cell, cell.shape[-1:], gains[2], cell_shift)), cell


def projected_lstm_step(
    inputs: Tensor,
    state: tuple[Tensor, Tensor],
    input_gate: Gate,
    forget_gate: Gate,
    candidate: Gate,
    output_gate: Gate,
    projection: Tensor,
) -> tuple[Tensor, Tensor]:
    """The LSTM with a recurrent projection (Sak, Senior & Beaufays 2014): h' = P (o * tanh(c')).

    h is (batch, projection), each U (hidden, projection), projection: P as (projection, hidden).
    """
    full, cell = lstm_step(inputs, state, input_gate, forget_gate, candidate, output_gate)
    return full @ projection.T, cell


def gru_step(
    inputs: Tensor, hidden: Tensor, reset_gate: Gate, update_gate: Gate, candidate: Gate, hidden_bias: Tensor
) -> Tensor:
    """The gated recurrent unit (Cho et al. 2014), with the reset gate after the product, as torch and cuDNN have it.

    r = s(W_r x + U_r h + b_r)   z = s(W_z x + U_z h + b_z)
    n = tanh(W_n x + b_n + r * (U_n h + d))   h' = (1 - z) * n + z * h

    hidden_bias: d, (hidden,).
    """
    reset = torch.sigmoid(reset_gate(inputs, hidden))
    update = torch.sigmoid(update_gate(inputs, hidden))
    recalled = hidden @ candidate.from_hidden.T + hidden_bias
    new = torch.tanh(inputs @ candidate.from_input.T + candidate.bias + reset * recalled)
    return (1 - update) * new + update * hidden


def esn_step(inputs: Tensor, hidden: Tensor, gate: Gate, leak: float) -> Tensor:
    """Leaky units of an echo state network (Jaeger 2001; Jaeger et al. 2007, equation 3).

    h' = (1 - a) * h + a * tanh(W x + U h + b), W, U and b drawn once and never trained; leak: a.
    """
    return (1 - leak) * hidden + leak * torch.tanh(gate(inputs, hidden))
