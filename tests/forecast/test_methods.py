"""Baselines, linear and recurrent forecasters: against published figures, other implementations, and known signals."""

from __future__ import annotations

import csv
import gzip
import json

import numpy as np
import pytest

from asr.errors import CheckpointError, ConfigError, DataError
from asr.forecast import methods
from asr.forecast.choose import SIMPLE, make, names
from asr.forecast.folder import load_forecaster, save_forecaster
from asr.forecast.linear import LinearForecaster, moving_average
from asr.forecast.recurrent import RecurrentConfig, RecurrentForecaster, RecurrentNetwork
from asr.forecast.series import Series
from asr.score.forecast_errors import mase, smape

SEASON = 12


def _seasonal(length: int = 240, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    time = np.arange(length)
    shape = 10 + 3 * np.sin(2 * np.pi * time / SEASON) + np.cos(4 * np.pi * time / SEASON)
    return (shape + noise * np.random.default_rng(seed).normal(size=length))[:, None]


@pytest.mark.parametrize(
    ("name", "season", "figures"), [("Hourly", 24, (18.383, 2.395)), ("Weekly", 1, (9.161, 2.777))]
)
def test_naive2_has_the_m4_organisers_figures(data, name, season, figures):
    folder = data / "series" / "m4"

    def rows(file):
        return [np.array([float(v) for v in row[1:] if v]) for row in list(csv.reader(file))[1:]]

    with gzip.open(folder / f"{name}-train.csv.gz", "rt") as train, (folder / f"{name}-test.csv").open() as test:
        pairs = list(zip(rows(train), rows(test), strict=True))
    found = [(methods.naive2(past, len(future), season), past, future) for past, future in pairs]
    assert np.mean([smape(future, f) for f, _, future in found]) == pytest.approx(figures[0], abs=5e-4)
    assert np.mean([mase(future, f, past, season) for f, past, future in found]) == pytest.approx(figures[1], abs=5e-4)


def test_simple_baselines_by_hand():
    history = np.array([1.0, 2.0, 4.0, 7.0])
    assert methods.last_value(history, 2, 1).tolist() == [7, 7]
    assert methods.seasonal_naive(history, 5, 3).tolist() == [2, 4, 7, 2, 4]
    assert methods.seasonal_naive(history, 2, 9).tolist() == [7, 7]
    assert methods.drift(history, 2, 1).tolist() == [9, 11]


def test_theta_is_statsforecasts_standard_theta():
    models = pytest.importorskip("statsforecast.models", reason="needs the extra 'forecast'")
    values = 50 + np.cumsum(np.random.default_rng(1).normal(0.3, 1.0, 120))
    expected = models.Theta(season_length=1).forecast(y=values, h=12)["mean"]
    assert methods.theta(values, 12, 1) == pytest.approx(expected, rel=2e-3)


def test_ets_keeps_its_season_where_a_long_history_grows(monkeypatch):
    pytest.importorskip("statsforecast.models", reason="needs the extra 'forecast'")
    monkeypatch.setattr(methods, "MOST_HISTORY", 60)
    values = _seasonal(120, noise=0.05)
    ets = methods.BASELINES["ets"]()
    ets.fit(values[:70], SEASON, SEASON)
    for origin in range(70, 100):  # of which only those a season apart began in phase
        gaps = ets.forecast(values[:origin]) - values[origin : origin + SEASON, 0]
        assert np.abs(gaps).mean() < 0.15, origin


def test_seasonal_factors_are_those_of_the_signal():
    factors = np.array([0.5, 1.5, 1.2, 0.8])
    history = np.tile(factors, 20) * 7
    assert methods.seasonal_indices(history, 4) == pytest.approx(factors)
    assert methods.is_seasonal(history, 4)
    assert not methods.is_seasonal(np.random.default_rng(0).normal(size=100), 4)
    assert methods.naive2(history, 5, 4) == pytest.approx(np.tile(factors, 2)[:5] * 7)


@pytest.mark.parametrize("kind", ["ridge", "nlinear", "dlinear"])
def test_linear_methods_continue_what_is_linear_in_the_past(kind):
    values = _seasonal()
    method = LinearForecaster(kind)
    method.fit(values[:-24], 24, SEASON)
    assert method.forecast(values[:-24]) == pytest.approx(values[-24:, 0], abs=0.05)


def test_moving_averages_repeat_their_edges():
    values = np.array([[1.0, 2.0, 6.0, 3.0]])
    assert moving_average(values, 3)[0] == pytest.approx([4 / 3, 3, 11 / 3, 4])


@pytest.mark.parametrize("options", [{"kind": "lstm"}, {"kind": "gru", "segment": 6}])
def test_recurrent_methods_learn_a_season(options):
    values = _seasonal(400, noise=0.1)
    method = RecurrentForecaster(RecurrentConfig(**options, hidden_size=24, steps=500, batch=24, look_back=24))
    method.fit(values[:-12], 12, SEASON)
    error = np.abs(method.forecast(values[:-12]) - values[-12:, 0]).mean()
    assert error < 0.5
    assert error < 0.3 * np.abs(methods.last_value(values[:-12, 0], 12, 1) - values[-12:, 0]).mean()


@pytest.mark.parametrize("series", [0, 3])
def test_segments_are_decoded_as_the_stack_decodes_each(series):
    """The step of all queries at once, against the stack run from the same state, a segment at a time."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    network = RecurrentNetwork(RecurrentConfig("gru", 6, hidden_size=10, series=series), 1, 24, 15).double().eval()
    windows, numbers = torch.randn(4, 24, 1, dtype=torch.double), torch.tensor([2, 0, 2, 1])
    forecasts = network(windows, numbers if series else None)
    assert forecasts.shape == (4, 15)
    for row, window in enumerate(windows):
        centre = window[-1]
        steps = torch.relu(network.enter((window - centre).reshape(1, 4, 6)))
        states = network.recurrent(steps)[1]
        segments = []
        for place in network.places:
            query = torch.cat([place, network.series[numbers[row]]]) if series else place
            output = network.recurrent(query[None, None], states=states)[0]
            segments.append(network.leave(output[0, 0]))
        expected = torch.cat(segments)[:15] + centre
        assert torch.allclose(forecasts[row], expected, rtol=0, atol=1e-12)


def test_further_columns_may_help_and_only_the_target_is_forecast():
    values = np.concatenate([_seasonal(150), np.ones((150, 1))], axis=1)
    method = RecurrentForecaster(RecurrentConfig(look_back=24, steps=24, hidden_size=8))
    method.fit(values, 6, SEASON)
    assert method.forecast(values).shape == (6,)


def test_forecasters_of_the_first_edition_load(tmp_path):
    values = _seasonal(120)
    method = RecurrentForecaster(RecurrentConfig(look_back=12, steps=24, hidden_size=8), "lstm")
    method.fit(values, 6, SEASON)
    save_forecaster(tmp_path, method, Series(values, ("a",)), 6, SEASON)
    config = json.loads((tmp_path / "config.json").read_text())
    config["network"] |= {"normalize": "last", "quantiles": [], "loss": "mae"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert np.array_equal(load_forecaster(tmp_path)[0].forecast(values), method.forecast(values))
    config["network"] |= {"normalize": "std"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="normalize"):
        load_forecaster(tmp_path)


def test_names_make_methods_and_unknown_ones_are_named():
    assert [method.name for method in make(names(), 12)] == names()
    assert set(SIMPLE) < set(names())
    with pytest.raises(ConfigError, match="unknown method 'prophet'"):
        make(["prophet"], 12)
    with pytest.raises(DataError, match="too few"):
        LinearForecaster("ridge").fit(np.ones((5, 1)), 4, 1)
    with pytest.raises(ConfigError, match="segment"):
        RecurrentConfig(segment=0)


@pytest.mark.parametrize("name", ["ridge", "nlinear", "dlinear", "lstm"])
@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_a_forecast_does_not_depend_on_the_unit(name, unit):
    """A floor under scales or penalties would flatten small values."""
    values = _seasonal(60)
    forecasts = []
    for factor in (1.0, unit):
        method = make([name], 4)[0] if name != "lstm" else RecurrentForecaster(RecurrentConfig(steps=24, hidden_size=8))
        method.fit(factor * values, 4, SEASON)
        forecasts.append(method.forecast(factor * values) / factor)
    assert forecasts[1] == pytest.approx(forecasts[0], rel=1e-6)
