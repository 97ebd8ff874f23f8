"""Echo state networks: the readout against scikit-learn, the reservoir against its equation, Mackey-Glass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from sklearn.linear_model import Ridge

from asr.analysis.echo_state import EchoStateNetwork
from asr.analysis.mackey_glass import mackey_glass, mackey_glass_error
from asr.nn.cells import esn_step


def test_the_readout_is_ridge_regression():
    torch.manual_seed(0)
    network = EchoStateNetwork(2, 30, density=0.3)
    inputs, targets = torch.randn(200, 2), torch.randn(200, 3)
    network.fit(inputs, targets, washout=20, ridge=0.5)
    read, _ = network.states(inputs)
    oracle = Ridge(0.5, fit_intercept=False).fit(read[20:].numpy(), targets[20:].double().numpy())
    assert network.weights.T.numpy() == pytest.approx(oracle.coef_, abs=1e-8)
    with pytest.raises(ValueError, match="longer than the washout"):
        network.fit(inputs, targets, washout=200)


def test_the_reservoir_has_its_radius_and_follows_its_equation():
    network = EchoStateNetwork(1, 80, spectral_radius=0.7, leak=0.6, density=0.1, seed=3)
    layer = network.reservoir
    assert float(torch.linalg.eigvals(layer.weight_hh).abs().max()) == pytest.approx(0.7, abs=1e-5)
    assert 0.05 < float((layer.weight_hh != 0).double().mean()) < 0.15
    inputs, state = torch.randn(5, 1).double(), torch.zeros(1, 80).double()
    read, last = network.states(inputs)
    for step in range(5):
        drive = inputs[step : step + 1] @ layer.weight_ih.T + state @ layer.weight_hh.T + layer.bias
        state = 0.4 * state + 0.6 * torch.tanh(drive)
        assert torch.allclose(read[step, :80], state[0], atol=1e-12)
    assert torch.allclose(last, state, atol=1e-12)
    assert esn_step.__doc__  # the same equation, tested for the layer in test_kinds


def test_a_free_run_feeds_outputs_back_and_the_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    network = EchoStateNetwork(1, 60, density=0.2)
    assert torch.equal(torch.rand(1), expected)
    wave = torch.sin(torch.arange(600).double() / 5)[:, None]
    network.fit(wave[:400], wave[1:401], 50, ridge=1e-8)
    assert torch.allclose(network.generate(wave[:400], 50), wave[400:450], atol=1e-2)


def test_the_series_is_the_delay_equations_solution():
    series = mackey_glass(60, skip=0).numpy()
    # As long as the delay lasts the delayed value is the constant beginning: an ordinary equation.
    exact = solve_ivp(
        lambda _, x: 0.2 * 1.2 / (1 + 1.2**10) - 0.1 * x, (0, 16), [1.2], t_eval=range(17), rtol=1e-10, atol=1e-12
    )
    assert series[:17] == pytest.approx(exact.y[0], abs=1e-7)
    finer = mackey_glass(60, step=0.05, every=20, skip=0).numpy()
    assert series == pytest.approx(finer, abs=2e-5)
    long = mackey_glass(2000).numpy()
    assert 0.2 < long.min() < 0.6
    assert 1.2 < long.max() < 1.4
    assert np.abs(np.diff(long)).max() < 0.3


def test_a_small_network_predicts_mackey_glass_84_steps_ahead_within_a_few_hundredths():
    assert mackey_glass_error(300, trials=10) < 0.03
