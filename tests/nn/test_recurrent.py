from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.nn import Recurrent
from asr.nn.cells import Gate, lstm_step
from asr.nn.recurrent import reverse_within_lengths

LENGTHS = torch.tensor([11, 4, 1, 7])


def _stack(bidirectional: bool = True, num_layers: int = 2) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent("lstm", 5, 6, num_layers, bidirectional).double().eval()


def _inputs() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(4, 11, 5, dtype=torch.float64)


def _torch_lstm(stack: Recurrent) -> torch.nn.LSTM:
    """torch's own stack with the same weights."""
    other = torch.nn.LSTM(5, 6, stack.num_layers, batch_first=True, bidirectional=stack.bidirectional).double()
    state = {}
    for layer in range(stack.num_layers):
        for part, suffix in ((stack.forwards, ""), (stack.backwards, "_reverse")):
            if layer < len(part):
                for name, value in part[layer].state_dict().items():
                    state[name.replace("l0", f"l{layer}{suffix}")] = value
    other.load_state_dict(state)
    return other


@pytest.mark.parametrize("bidirectional", [False, True])
def test_outputs_and_states_equal_torch_with_packing(bidirectional):
    stack, inputs = _stack(bidirectional), _inputs()
    states = tuple(torch.randn(stack.num_layers * (1 + bidirectional), 4, 6, dtype=torch.float64) for _ in range(2))
    packed = pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
    expected, (hidden, cell) = _torch_lstm(stack)(packed, states)
    expected, _ = pad_packed_sequence(expected, batch_first=True)
    outputs, final = stack(inputs, LENGTHS, states)
    assert torch.allclose(outputs, expected, atol=1e-12)
    assert torch.allclose(final[0], hidden, atol=1e-12)
    assert torch.allclose(final[1], cell, atol=1e-12)
    without, none = stack(inputs, LENGTHS, states, return_states=False)
    assert none is None
    assert torch.allclose(without, expected, atol=1e-12)


def test_the_fast_path_equals_the_equations_step_by_step():
    stack, inputs = _stack(bidirectional=False, num_layers=1), _inputs()
    lstm = stack.forwards[0]
    hidden = cell = torch.zeros(4, 6, dtype=torch.float64)
    bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
    weights = (lstm.weight_ih_l0, lstm.weight_hh_l0, bias)
    gates = [Gate(*parts) for parts in zip(*(weight.chunk(4) for weight in weights), strict=True)]
    expected = []
    for time in range(inputs.shape[1]):
        hidden, cell = lstm_step(inputs[:, time], (hidden, cell), *gates)
        expected.append(hidden)
    outputs, final = stack(inputs)
    assert torch.allclose(outputs, torch.stack(expected, dim=1), atol=1e-12)
    assert torch.allclose(final[1][0], cell, atol=1e-12)


def test_padding_changes_no_result_in_either_direction():
    stack = _stack().float()
    inputs = _inputs().float()
    together, _ = stack(inputs, LENGTHS, return_states=False)
    noisy = inputs.clone()
    for row, length in enumerate(LENGTHS.tolist()):
        noisy[row, length:] = 1e3
    assert torch.equal(stack(noisy, LENGTHS, return_states=False)[0], together)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, _ = stack(inputs[row : row + 1, :length])
        assert torch.allclose(together[row, :length], alone[0], atol=1e-5)
        assert torch.all(together[row, length:] == 0)


def test_gradients_equal_those_of_packing():
    stack, inputs = _stack(), _inputs()
    other = _torch_lstm(stack)
    packed = pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
    pad_packed_sequence(other(packed)[0], batch_first=True)[0].square().sum().backward()
    stack(inputs, LENGTHS, return_states=False)[0].square().sum().backward()
    for layer in range(2):
        for part, suffix in ((stack.forwards, ""), (stack.backwards, "_reverse")):
            for name, parameter in part[layer].named_parameters():
                expected = getattr(other, name.replace("l0", f"l{layer}{suffix}")).grad
                assert torch.allclose(parameter.grad, expected, atol=1e-10)


def test_pieces_with_carried_states_equal_one_pass():
    stack, inputs = _stack(bidirectional=False), _inputs()
    whole, final = stack(inputs)
    states, pieces = None, []
    for piece in inputs.split(3, dim=1):
        output, states = stack(piece, states=states)
        pieces.append(output)
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-12)
    assert torch.allclose(states[1], final[1], atol=1e-12)


def test_reversing_keeps_padding_in_place():
    sequence = torch.arange(6.0).reshape(1, 6, 1)
    assert reverse_within_lengths(sequence, torch.tensor([4])).flatten().tolist() == [3, 2, 1, 0, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("gruu", 3, 4), "kind"), (("lstm", 0, 4), "at least 1"), (("lstm", 3, 4, 0), "at least 1")],
)
def test_impossible_stacks_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Recurrent(*arguments)
