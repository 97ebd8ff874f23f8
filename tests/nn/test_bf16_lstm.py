"""The layer for training in bfloat16 against torch's own in single precision."""

import pytest
import torch
from torch import nn

from asr.nn import Recurrent
from asr.nn.kernels import bf16_lstm

LENGTHS = torch.tensor([50, 40, 33, 2, 1])


def gradients(module, inputs, run):
    """Outputs and the gradients of inputs and weights for one random weighting of the outputs."""
    module.zero_grad()
    inputs = inputs.clone().requires_grad_()
    outputs = run(inputs)
    weighting = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1))
    (outputs.float() * weighting).sum().backward()
    return [outputs.detach().float(), inputs.grad, *(value.grad.clone() for value in module.parameters())]


def distance(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("weight_dropout", [0.0, 0.4])
def test_gradients_are_those_of_single_precision(monkeypatch, weight_dropout):
    torch.manual_seed(0)
    stack = Recurrent("lstm", 40, 32, 2, bidirectional=True, weight_dropout=weight_dropout)
    inputs = torch.randn(5, 50, 40)
    layers = []
    run_layer = bf16_lstm.run_layer
    monkeypatch.setattr(bf16_lstm, "run_layer", lambda *args: layers.append(1) or run_layer(*args))

    def run(inputs, mixed):
        torch.manual_seed(7)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            return stack(inputs, LENGTHS, return_states=False)[0]

    expected = gradients(stack, inputs, lambda inputs: run(inputs, False))
    assert not layers
    found = gradients(stack, inputs, lambda inputs: run(inputs, True))
    assert len(layers) == 4
    assert max(map(distance, found, expected)) < 0.01
    assert min(map(distance, found, expected)) > 1e-4  # it was bfloat16


def test_the_way_back_in_time_is_exact():
    torch.manual_seed(0)
    layer = nn.LSTM(7, 5)
    inputs = torch.randn(9, 3, 7)
    upstream = torch.randn(9, 3, 5)
    outputs, _ = layer(inputs)
    before = torch.cat([torch.zeros(1, 3, 5), outputs[:-1]]).detach()
    into = torch.cat([inputs, before], dim=2).flatten(0, 1)
    sums = into @ torch.cat([layer.weight_ih_l0, layer.weight_hh_l0], dim=1).t() + layer.bias_ih_l0 + layer.bias_hh_l0
    gates = bf16_lstm._gates(sums.detach()).view(9, 3, 20)
    cells = torch.zeros(10, 3, 5)
    bf16_lstm._passes()[0](gates.numpy(), cells.numpy())
    back = bf16_lstm._through_time(upstream, gates, cells, layer.weight_hh_l0.detach())
    outputs.backward(upstream)
    torch.testing.assert_close(back.sum(dim=(0, 1)), layer.bias_ih_l0.grad, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(back.flatten(0, 1).t() @ into[:, :7], layer.weight_ih_l0.grad, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(back.flatten(0, 1).t() @ into[:, 7:], layer.weight_hh_l0.grad, atol=1e-5, rtol=1e-5)


def test_only_small_batches_in_training_under_autocast_take_it():
    inputs = torch.zeros(bf16_lstm.MOST_ROWS, 3, 4)
    assert not bf16_lstm.fits(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        assert bf16_lstm.fits(inputs)
        assert not bf16_lstm.fits(torch.zeros(bf16_lstm.MOST_ROWS + 1, 3, 4))
        with torch.no_grad():
            assert not bf16_lstm.fits(inputs)
    with torch.autocast("cpu", torch.float16):
        assert not bf16_lstm.fits(inputs)
