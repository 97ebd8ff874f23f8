"""Every kind of recurrent layer: its equations, torch where it has it, gradients, padding, pieces, files."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.nn import KINDS, Recurrent, cells
from asr.nn.cells import Gate

IN, HIDDEN, TIME = 5, 6, 7
LENGTHS = torch.tensor([7, 3, 1, 5])


def _stack(kind: str, layers: int = 1, bidirectional: bool = False, **options) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(kind, IN, HIDDEN, layers, bidirectional, **options).double().eval()


def _inputs(rows: int = 4) -> torch.Tensor:
    return torch.randn(rows, TIME, IN, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _gates(layer, count: int) -> list[Gate]:
    """The gates of a layer, in the order its weights have them."""
    if isinstance(layer, torch.nn.RNNBase):
        parts = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0 + layer.bias_hh_l0
    else:
        parts = layer.weight_ih, layer.weight_hh, layer.bias
    return [Gate(*weights) for weights in zip(*(part.chunk(count) for part in parts), strict=True)]


def _gru_step(inputs, state, layer):
    weights = (layer.weight_ih_l0.chunk(3), layer.weight_hh_l0.chunk(3))
    ours, theirs = layer.bias_ih_l0.chunk(3), layer.bias_hh_l0.chunk(3)
    reset, update = (Gate(weights[0][k], weights[1][k], ours[k] + theirs[k]) for k in (0, 1))
    return (cells.gru_step(inputs, state[0], reset, update, Gate(weights[0][2], weights[1][2], ours[2]), theirs[2]),)


def _step(kind: str, layer, inputs, state):
    """One step by the equations."""
    if kind == "gru":
        return _gru_step(inputs, state, layer)
    if kind in ("rnn", "rnn-relu"):
        return (cells.rnn_step(inputs, state[0], _gates(layer, 1)[0], kind == "rnn-relu"),)
    if kind == "esn":
        return (cells.esn_step(inputs, state[0], _gates(layer, 1)[0], layer.leak),)
    if kind == "lstm-layernorm":
        gains = layer.input_gain, layer.hidden_gain, layer.cell_gain
        return cells.layernorm_lstm_step(
            inputs, state, layer.weight_ih, layer.weight_hh, layer.bias, gains, layer.cell_shift
        )
    if kind == "lstm-article":
        output = *layer.output_weight.chunk(2, dim=1), layer.output_bias
        return cells.article_lstm_step(inputs, state, *_gates(layer, 3), *output)
    if kind == "lstm-coupled":
        return cells.coupled_lstm_step(inputs, state, *_gates(layer, 3))
    if kind == "lstm-peephole":
        return cells.peephole_lstm_step(inputs, state, *_gates(layer, 4), layer.peepholes)
    if kind == "lstm-projected":
        return cells.projected_lstm_step(inputs, state, *_gates(layer, 4), layer.weight_hr_l0)
    return cells.lstm_step(inputs, state, *_gates(layer, 4))


def _by_equations(kind: str, layer, inputs, state):
    outputs = []
    for time in range(inputs.shape[1]):
        state = _step(kind, layer, inputs[:, time], state)
        outputs.append(state[0])
    return torch.stack(outputs, dim=1), state


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_equals_its_equations(kind):
    stack, inputs = _stack(kind), _inputs()
    for parameter in stack.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    _, shapes = stack(inputs)
    start = tuple(torch.randn_like(state) for state in shapes)
    outputs, final = stack(inputs, states=start)
    expected, states = _by_equations(kind, stack.forwards[0], inputs, tuple(state[0] for state in start))
    assert torch.allclose(outputs, expected, atol=1e-12)
    for found, wanted in zip(final, states, strict=True):
        assert torch.allclose(found[0], wanted, atol=1e-12)


@pytest.mark.parametrize("kind", ["lstm", "lstm-projected", "gru", "rnn", "rnn-relu"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_kinds_of_torch_equal_torch_with_packing(kind, bidirectional):
    stack, inputs = _stack(kind, 2, bidirectional), _inputs()
    classes = {"gru": torch.nn.GRU, "rnn": torch.nn.RNN, "rnn-relu": torch.nn.RNN}
    options = {"rnn-relu": {"nonlinearity": "relu"}, "lstm-projected": {"proj_size": HIDDEN // 2}}.get(kind, {})
    other = classes.get(kind, torch.nn.LSTM)(IN, HIDDEN, 2, batch_first=True, bidirectional=bidirectional, **options)
    state = {}
    for layer in range(2):
        for part, suffix in ((stack.forwards, ""), (stack.backwards, "_reverse")):
            for name, value in part[layer].state_dict().items() if len(part) else ():
                state[name.replace("l0", f"l{layer}{suffix}")] = value
    other.double().load_state_dict(state)
    packed, expected_states = other(pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False))
    expected, _ = pad_packed_sequence(packed, batch_first=True)
    outputs, final = stack(inputs, LENGTHS)
    assert torch.allclose(outputs, expected, atol=1e-12)
    expected_states = expected_states if isinstance(expected_states, tuple) else (expected_states,)
    for found, wanted in zip(final, expected_states, strict=True):
        assert torch.allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind):
    stack = _stack(kind, 2, bidirectional=kind != "esn")
    inputs = _inputs(2).requires_grad_()
    parameters = [parameter for parameter in stack.parameters() if parameter.requires_grad]
    assert bool(parameters) == (kind != "esn")  # a reservoir is not trained

    def run(values, *_):
        return stack(values, torch.tensor([TIME, 3]), return_states=False)[0]

    assert torch.autograd.gradcheck(run, (inputs, *parameters), atol=1e-6, fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("return_states", [False, True])
def test_padding_changes_no_result(kind, return_states):
    stack, inputs = _stack(kind, 2, bidirectional=True).float(), _inputs().float()
    together, states = stack(inputs, LENGTHS, return_states=return_states)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, final = stack(inputs[row : row + 1, :length])
        assert torch.allclose(together[row, :length], alone[0], atol=1e-5)
        assert torch.all(together[row, length:] == 0)
        for found, wanted in zip(states or (), final, strict=False):
            assert torch.allclose(found[:, row], wanted[:, 0], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_equal_one_pass(kind):
    stack, inputs = _stack(kind, 2), _inputs()
    whole, final = stack(inputs)
    states, pieces = None, []
    for piece in inputs.split(2, dim=1):
        output, states = stack(piece, states=states)
        pieces.append(output)
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-12)
    for found, wanted in zip(states, final, strict=True):
        assert torch.allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_files_give_the_same_layer_back(kind, tmp_path):
    stack, inputs = _stack(kind, 2, bidirectional=True), _inputs()
    save_file({name: value.contiguous() for name, value in stack.state_dict().items()}, tmp_path / "w.safetensors")
    torch.manual_seed(5)
    other = Recurrent(kind, IN, HIDDEN, 2, True).double().eval()
    other.load_state_dict(load_file(tmp_path / "w.safetensors"))
    assert torch.equal(other(inputs)[0], stack(inputs)[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_the_gpu_gives_what_the_cpu_gives(kind):
    stack, inputs = _stack(kind, 2, bidirectional=True), _inputs()
    expected, _ = stack(inputs, LENGTHS)
    found, _ = stack.cuda()(inputs.cuda(), LENGTHS.cuda())
    assert torch.allclose(found.cpu(), expected, atol=1e-9)


def test_the_articles_forget_gate_is_the_standard_one_with_its_sign_turned():
    """With the output gates forced open, turning the sign of f's weights makes one cell the other."""
    article, standard, inputs = _stack("lstm-article"), _stack("lstm"), _inputs()
    first, second = article.forwards[0], standard.forwards[0]
    signs = torch.tensor([1.0, -1.0, 1.0]).double().repeat_interleave(HIDDEN)
    with torch.no_grad():
        first.output_weight.zero_()
        first.output_bias.fill_(1e9)
        for name in ("weight_ih", "weight_hh"):
            theirs, ours = getattr(second, f"{name}_l0"), getattr(first, name)
            theirs.zero_()
            theirs[: 3 * HIDDEN] = ours * signs[:, None]
        second.bias_hh_l0.zero_()
        second.bias_ih_l0[: 3 * HIDDEN] = first.bias * signs
        second.bias_ih_l0[3 * HIDDEN :] = 1e9
    assert torch.allclose(article(inputs)[0], standard(inputs)[0], atol=1e-12)


def test_variational_dropout_has_one_mask_for_all_steps():
    stack = _stack("rnn", 2, dropout=0.5, variational=True).train()
    masks = stack._dropped(torch.ones(3, 9, 40))
    assert torch.equal(masks, masks[:, :1].expand_as(masks))
    assert 0.3 < float((masks[:, 0] == 0).double().mean()) < 0.7
    assert set(masks.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(masks[0, 0], masks[1, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_dropped_recurrent_weights_are_whole_again_in_evaluation(kind):
    stack, inputs = _stack(kind, 2, True, weight_dropout=0.5), _inputs()
    plain = _stack(kind, 2, True)
    assert torch.equal(stack(inputs)[0], plain(inputs)[0])
    stack.train()
    first, second = (stack(inputs)[0] for _ in range(2))
    assert not torch.equal(first, second)
    stack.weight_dropout = 1e-12  # the kernel called with its weights gives what the module gives
    assert torch.allclose(stack(inputs, LENGTHS, return_states=False)[0], plain(inputs, LENGTHS)[0], atol=1e-9)


def test_a_reservoir_has_its_spectral_radius_and_sparsity():
    stack = Recurrent("esn", 3, 200)
    weights = stack.forwards[0].weight_hh
    assert float(torch.linalg.eigvals(weights.double()).abs().max()) == pytest.approx(0.9, abs=1e-5)
    assert 0.07 < float((weights != 0).double().mean()) < 0.13
    assert not list(stack.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "lstm", "projection_size": 2}, "projection"),
        ({"kind": "lstm-projected", "projection_size": 6}, "projection"),
    ],
)
def test_options_that_a_kind_has_not_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Recurrent(input_size=3, hidden_size=6, **options)
