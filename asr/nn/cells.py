"""One step of each recurrent cell, written as its equations.

These are the references that the fast paths are tested against in double precision; they are for reading and
checking, not for speed.
"""

from __future__ import annotations

import torch
from torch import Tensor


def lstm_step(
    inputs: Tensor,
    state: tuple[Tensor, Tensor],
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
) -> tuple[Tensor, Tensor]:
    """One step of the LSTM with forget gate (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000).

        i = s(W_i x + U_i h + b_i)      f = s(W_f x + U_f h + b_f)
        g = tanh(W_g x + U_g h + b_g)   o = s(W_o x + U_o h + b_o)
        c' = f * c + i * g              h' = o * tanh(c')

    inputs: (batch, input); state: h and c, each (batch, hidden); weight_ih: (4 * hidden, input) and
    weight_hh: (4 * hidden, hidden), gates stacked in torch's order i, f, g, o; biases: (4 * hidden,).
    Returns h' and c', each (batch, hidden).
    """
    hidden, cell = state
    gates = inputs @ weight_ih.T + bias_ih + hidden @ weight_hh.T + bias_hh
    input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=-1)
    cell = torch.sigmoid(forget_gate) * cell + torch.sigmoid(input_gate) * torch.tanh(candidate)
    hidden = torch.sigmoid(output_gate) * torch.tanh(cell)
    return hidden, cell
