"""One switch for all kernels: what it turns off, and that it turns everything on again."""

from __future__ import annotations

import contextlib

import pytest
import torch

from asr.errors import ConfigError
from asr.nn import Recurrent, kernels
from asr.nn.kernels import bf16_lstm, cuda_lstm, exact_arithmetic
from asr.train.config import TrainConfig
from asr.train.loop import Trainer


@pytest.fixture
def counted(monkeypatch):
    """The calls of the kernel for bfloat16, each replaced by zeros of the right shape."""
    calls = []

    def run_layer(inputs, weights):
        calls.append(1)
        return inputs.new_zeros(*inputs.shape[:2], weights[1].shape[1])

    monkeypatch.setattr(bf16_lstm, "run_layer", run_layer)
    return calls


def _run():
    with torch.autocast("cpu", torch.bfloat16):
        Recurrent("lstm", 3, 4)(torch.zeros(2, 5, 3), return_states=False)


@pytest.mark.parametrize(("value", "calls"), [("off", 0), ("OFF", 0), ("0", 0), ("on", 1), ("", 1)])
def test_the_variable_turns_kernels_off(counted, monkeypatch, value, calls):
    monkeypatch.setenv("ASR_KERNELS", value)
    _run()
    assert len(counted) == calls


def test_a_block_turns_kernels_and_tf32_off_and_restores_them(counted):
    with contextlib.suppress(KeyError), exact_arithmetic():
        _run()
        assert not counted
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
        raise KeyError
    assert torch.backends.cudnn.allow_tf32
    with exact_arithmetic(False):
        _run()
    assert len(counted) == 1


def test_the_kernel_of_a_gpu_obeys_the_same_switch(monkeypatch):
    """Without a GPU: inputs that say they are on one, and a kernel that would take them."""
    monkeypatch.setattr(cuda_lstm, "fits", lambda *_: True)
    stack = Recurrent("lstm", 3, 64)
    on_gpu = type("OnGpu", (), {"is_cuda": True})()
    assert stack._on_cuda_kernels(on_gpu)
    with exact_arithmetic():
        assert not stack._on_cuda_kernels(on_gpu)
    monkeypatch.setenv("ASR_KERNELS", "off")
    assert not stack._on_cuda_kernels(on_gpu)


def test_training_with_exact_steps_and_validates_without_kernels(tmp_path):
    seen = []

    class Task:
        metric, speed_unit = "error", None
        model = torch.nn.Linear(1, 1)

        def plan(self, epoch):
            return [0]

        def prepare(self, plan, epoch, device):
            return torch.ones(1, 1)

        def loss(self, batch):
            seen.append(kernels.enabled())
            return self.model(batch).sum(), {}

        def validate(self, device):
            seen.append(kernels.enabled())
            return {"error": 0.0}

    for exact in (True, False):
        Trainer(Task(), TrainConfig(epochs=1, device="cpu", threads=1, exact=exact), tmp_path / str(exact)).run()
    assert seen == [False, False, True, True]
    with pytest.raises(ConfigError, match="exact"):
        TrainConfig(exact=True, precision="bf16")
