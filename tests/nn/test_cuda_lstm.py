"""Kernels of a GPU against torch: interpreted on the CPU, and compiled where there is a GPU."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from asr.nn import Recurrent

pytest.importorskip("triton", reason="torch brings Triton on Linux only")

INTERPRETED = """
import torch
from asr.nn.kernels.cuda_lstm import run_layer

torch.manual_seed(0)
for directions, hidden, batch in ((2, 64, 5), (1, 128, 18)):
    lstm = torch.nn.LSTM(7, hidden, batch_first=True, bidirectional=directions == 2)
    lengths = torch.randint(1, 10, (batch,))
    lengths[1] = 9
    inputs = torch.randn(batch, 9, 7, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=9)
    parameters = list(lstm.parameters())
    upstream = torch.randn_like(expected)
    wanted = torch.autograd.grad((expected * upstream).sum(), [inputs, *parameters])
    found = run_layer(inputs, lengths, [parameters[4 * d : 4 * d + 4] for d in range(directions)])
    gradients = torch.autograd.grad((found * upstream).sum(), [inputs, *parameters])
    for name, one, other in zip(["out", "inputs", "weights", *"123456789"], [expected, *wanted], [found, *gradients]):
        error = float((one - other).abs().max() / one.abs().max())
        assert error < 2e-3, (name, error)  # recurrent products are of 16-bit halves
print("equal")
"""


def test_interpreted_kernels_equal_torch():
    # Triton decides at import whether it compiles or interprets: a process of its own
    run = subprocess.run(
        [sys.executable, "-c", INTERPRETED], env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True
    )
    assert run.stdout == "equal\n", run.stderr[-2000:]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("hidden", [64, 192])
def test_a_gpu_trains_on_the_same_outputs_and_gradients(hidden):
    torch.manual_seed(0)
    stack = Recurrent("lstm", 40, hidden, 2, bidirectional=True)
    inputs, lengths = torch.randn(21, 70, 40), torch.randint(1, 71, (21,))
    lengths[3] = 70
    found = []
    for device in ("cpu", "cuda"):
        there = copy.deepcopy(stack).to(device)
        read = inputs.detach().to(device).requires_grad_()
        outputs, _ = there(read, lengths.to(device), return_states=False)
        (outputs.square() * torch.arange(outputs.shape[2], device=device)).sum().backward()
        found.append([outputs.detach(), read.grad, *(parameter.grad for parameter in there.parameters())])
    for expected, other in zip(*found, strict=True):
        assert float((expected - other.cpu()).abs().max()) < 5e-3 * float(expected.abs().max())


def test_only_layers_in_training_on_a_gpu_take_them():
    from asr.nn.kernels.cuda_lstm import fits

    def on_gpu(*shape):
        return SimpleNamespace(is_cuda=True, shape=shape)

    weights = torch.zeros(4 * 192, 192)
    assert fits(on_gpu(20, 400, 80), weights)
    assert not fits(torch.zeros(20, 400, 80), weights)
    assert not fits(on_gpu(20, 400, 80), weights.double())
    assert not fits(on_gpu(20, 400, 80), torch.zeros(400, 100))
    assert not fits(on_gpu(20, 400, 80), torch.zeros(4 * 512, 512))
    assert not fits(on_gpu(4000, 400, 80), weights)
    with torch.no_grad():
        assert not fits(on_gpu(20, 400, 80), weights)
