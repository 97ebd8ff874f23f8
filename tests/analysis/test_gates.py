"""Looking into recurrent layers: gates that make the layer's own output, gradients that vanish as theory says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from asr.acoustic.checkpoint import save_checkpoint
from asr.acoustic.config import AcousticConfig
from asr.acoustic.network import AcousticModel
from asr.analysis.gates import GATES, gate_activity
from asr.analysis.gradient_reach import gradient_reach
from asr.nn import Recurrent
from asr.text.tokens import Tokens

SPEECH = Path(__file__).parents[1] / "speech" / "hello.flac"


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("backward", [False, True])
def test_gates_make_the_output_that_the_layer_gives(layer, backward):
    torch.manual_seed(0)
    stack = Recurrent("lstm", 5, 7, num_layers=2, bidirectional=True, dropout=0.5).double().eval()
    inputs = torch.randn(11, 5).double()
    found = gate_activity(stack, inputs, layer, backward)
    shallow = Recurrent("lstm", 5, 7, num_layers=layer + 1, bidirectional=True).double().eval()
    shallow.load_state_dict({k: v for k, v in stack.state_dict().items() if int(k.split(".")[1]) <= layer})
    outputs = shallow(inputs[None])[0][0]
    half = outputs[:, 7:] if backward else outputs[:, :7]
    assert torch.allclose(found["hidden"], half, atol=1e-12)
    assert torch.allclose(found["hidden"], found["output"] * found["cell"].tanh(), atol=1e-12)
    before = torch.cat([found["cell"][1:], torch.zeros(1, 7).double()]) if backward else None
    if before is None:
        before = torch.cat([torch.zeros(1, 7).double(), found["cell"][:-1]])
    assert torch.allclose(found["cell"], found["forget"] * before + found["input"] * found["candidate"], atol=1e-12)
    assert set(found) == set(GATES)


def test_gates_of_what_has_none_are_refused():
    with pytest.raises(ValueError, match="not of 'gru'"):
        gate_activity(Recurrent("gru", 3, 4), torch.zeros(2, 3), 0)
    with pytest.raises(ValueError, match="a single layer of one direction"):
        gate_activity(Recurrent("lstm", 3, 4), torch.zeros(2, 3), 1)
    with pytest.raises(ValueError, match="2 layers of one direction"):
        gate_activity(Recurrent("lstm", 3, 4, num_layers=2), torch.zeros(2, 3), 0, backward=True)


def test_gradient_reach_is_the_jacobian_products_norm():
    norms = gradient_reach("rnn", steps=4, hidden_size=6, batch=3, seed=2)
    torch.manual_seed(2)
    stack = Recurrent("rnn", 6, 6)
    inputs = torch.randn(3, 4, 6)
    jacobian = torch.autograd.functional.jacobian(lambda x: stack(x, return_states=False)[0][:, -1], inputs)
    weights = torch.randn(6)
    expected = [
        torch.stack([(weights @ jacobian[row, :, row, 3 - back]).norm() for row in range(3)]).mean()
        for back in range(4)
    ]
    assert norms.tolist() == pytest.approx([float(value / expected[0]) for value in expected], rel=1e-4)


def test_gradients_of_an_lstm_reach_further_than_those_of_a_plain_network():
    plain, lstm = gradient_reach("rnn", 60), gradient_reach("lstm", 60)
    assert lstm[20] > 30 * plain[20]


def test_pictures_and_figures_by_command(run, tmp_path):
    picture = tmp_path / "gates.png"
    code, out, errors = run("inspect", "gates", SPEECH, "--layer", 2, "--backward", "--output", picture, "--json")
    assert code == 0, errors
    assert 0 < json.loads(out)["means"]["forget"] < 1
    assert picture.read_bytes().startswith(b"\x89PNG")
    code, _, errors = run("inspect", "gates", SPEECH, "--layer", 9)
    assert (code, "6 layers" in errors) == (2, True)
    code, _, errors = run("inspect", "gates", "--text", "not a good film")
    assert (code, "--text needs --model" in errors) == (2, True)
    blocks = tmp_path / "blocks"
    config = AcousticConfig(hidden_size=6, num_layers=2, input_size=8, conv_channels=2, block_kernel=3)
    save_checkpoint(blocks, AcousticModel(config, 3), Tokens(["<blank>", "a", "b"]))
    code, out, errors = run("inspect", "gates", SPEECH, "--model", blocks, "--layer", 2, "--json")
    assert (code, errors) == (0, "")
    assert set(json.loads(out)["means"]) == set(GATES)
    assert "2 layers" in run("inspect", "gates", SPEECH, "--model", blocks, "--layer", 3)[2]
    code, out, errors = run("inspect", "gradients", "--output", tmp_path / "reach.png", "--steps", 30)
    assert code == 0, errors
    assert "lstm" in out
    assert run("inspect", "gradients", "--kinds", "magic")[0] == 2
    code, out, _ = run("inspect", "mackey-glass", "--units", 60, "--trials", 2, "--ahead", 5)
    assert (code, "NRMSE 5 steps ahead" in out) == (0, True)
