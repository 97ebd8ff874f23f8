"""Integrated gradients against captum, and the command that draws them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from captum.attr import IntegratedGradients

from asr.nn import Recurrent
from asr.nn.integrated_gradients import integrated_gradients

SPEECH = Path(__file__).parents[1] / "speech" / "hello.flac"


@pytest.mark.parametrize("with_baseline", [False, True])
def test_integrated_gradients_are_captums(with_baseline):
    torch.manual_seed(0)
    stack = Recurrent("lstm", 3, 8, bidirectional=True).double().eval()
    weights = torch.randn(stack.output_size).double()

    def score(batch):
        return stack(batch, return_states=False)[0].amax(dim=1) @ weights

    inputs = torch.randn(7, 3).double()
    baseline = torch.randn(7, 3).double() if with_baseline else None
    found = integrated_gradients(score, inputs, baseline, steps=40)
    start = torch.zeros_like(inputs) if baseline is None else baseline
    oracle = IntegratedGradients(score).attribute(inputs[None], start[None], n_steps=40, method="riemann_middle")
    assert torch.allclose(found, oracle[0], atol=1e-10)
    gain = float(score(inputs[None]) - score(start[None]))
    assert float(integrated_gradients(score, inputs, baseline, steps=2000).sum()) == pytest.approx(gain, abs=1e-3)


def test_what_decided_is_near_what_was_asked_about(run, tmp_path):
    picture = tmp_path / "why.png"
    centres = []
    for second in (0.7, 3.9):
        code, out, errors = run("inspect", "attribution", SPEECH, "--at", second, "--output", picture, "--json")
        assert code == 0, errors
        found = json.loads(out)
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert abs(found["second"] - second) <= 0.24
        assert abs(found["most"] - found["second"]) < 0.25
        assert found["gain"] == pytest.approx(sum(found["frames"]), abs=0.01)
        centres.append(found["centre"])
    assert abs(centres[1] - found["second"]) < 0.5
    assert centres[1] > centres[0]  # self-attention looks far, but not everywhere alike
    code, _, errors = run("inspect", "attribution", SPEECH, "--at", 60)
    assert code == 1
    assert "ends before second 60" in errors
