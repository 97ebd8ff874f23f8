"""The forecaster that chooses by a backtest, damped smoothing, additive seasons, recommendations and pictures."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from asr.cli.forecast.output import line_styles
from asr.forecast.automatic import CANDIDATES, AutomaticForecaster, backtest_origins, weights_of
from asr.forecast.backtest import fixed_split, recommendation, rolling_origin
from asr.forecast.choose import make
from asr.forecast.smoothing import additive_indices, damped_additive, damped_line, smoothed_trend, theta_additive


def _series(length: int = 96, noise: float = 0.5, seed: int = 1) -> np.ndarray:
    time = np.arange(length)
    season = 10 * np.sin(2 * np.pi * time / 12)
    return (50 + 0.5 * time + season + noise * np.random.default_rng(seed).normal(size=length))[:, None]


def test_additive_seasons_are_those_of_the_signal():
    summands = np.array([-3.0, 4.0, 1.0, -2.0])
    history = np.tile(summands, 20) + 7 + 0.5 * np.arange(80)
    assert additive_indices(history, 4) == pytest.approx(summands)
    expected = (7 + 0.5 * np.arange(80, 88)) + np.tile(summands, 2)
    assert damped_additive(history, 8, 4) == pytest.approx(expected, abs=1.0)
    assert theta_additive(history, 8, 4) - expected == pytest.approx(np.zeros(8), abs=2.5)  # half the slope


def test_damped_smoothing_is_the_textbooks_recursion():
    """Component form of section 8.2 of Hyndman & Athanasopoulos (2021), written out."""
    history = np.array([3.0, 5.0, 4.0, 6.0, 8.0, 7.0])
    alpha, beta, phi = 0.6, 0.3, 0.9
    slope, before = np.polyfit(np.arange(1, 7), history, 1)
    levels, trends, squares = [before], [slope], 0.0
    for value in history:
        squares += (value - levels[-1] - phi * trends[-1]) ** 2
        level = alpha * value + (1 - alpha) * (levels[-1] + phi * trends[-1])
        trends.append(beta * (level - levels[-1]) + (1 - beta) * phi * trends[-1])
        levels.append(level)
    assert smoothed_trend(history, alpha, beta, phi) == pytest.approx((levels[-1], trends[-1], squares))


def test_damped_smoothing_forecasts_no_worse_than_statsforecasts_on_its_own_history():
    models = pytest.importorskip("statsforecast.models", reason="needs the extra 'forecast'")
    values = 50 + np.cumsum(np.random.default_rng(1).normal(0.3, 1.0, 120))
    other = models.AutoETS(season_length=1, model="AAN", damped=True).forecast(y=values, h=12)["mean"]
    assert damped_line(values, 12) == pytest.approx(other, rel=0.03)


def test_the_backtest_lies_within_the_series():
    for length, horizon, season in ((96, 12, 12), (30, 6, 1), (20, 8, 1), (40, 12, 12)):
        places = backtest_origins(length, horizon, season)
        assert all(place >= max(6, 2 * season) and place + horizon <= length for place in places)
        assert places == [] or places[-1] == length - horizon
    assert backtest_origins(13, 12, 12) == []


def test_the_weights_are_those_of_a_backtest_by_hand():
    values = _series()
    method = AutomaticForecaster()
    method.fit(values, 12, 12)
    places = backtest_origins(96, 12, 12)
    assert len(places) == 3
    errors = {}
    for name, function in CANDIDATES.items():
        gaps = [np.abs(function(values[:place, 0], 12, 12) - values[place : place + 12, 0]).mean() for place in places]
        errors[name] = np.mean(gaps)
    raw = {name: error**-4 for name, error in errors.items()}
    kept = {name: value for name, value in raw.items() if value >= 0.02 * sum(raw.values())}
    expected = {name: value / sum(kept.values()) for name, value in kept.items()}
    assert method.weights == pytest.approx(expected)
    assert method.chosen == tuple(sorted(kept, key=lambda name: -kept[name]))
    assert "from 3 origins" in method.why
    assert min(errors, key=errors.get) in method.why
    forecast = sum(weight * CANDIDATES[name](values[:, 0], 12, 12) for name, weight in expected.items())
    assert method.forecast(values) == pytest.approx(forecast, rel=1e-3)


def test_without_statsforecast_the_other_methods_are_weighed(monkeypatch):
    from asr.errors import MissingPackageError
    from asr.forecast import automatic

    def missing(*_):
        raise MissingPackageError("no statsforecast")

    monkeypatch.setitem(automatic.CANDIDATES, "ets", missing)
    method = AutomaticForecaster()
    method.fit(_series(), 12, 12)
    assert "ets" not in method.weights
    assert "without ETS" in method.why


def test_weights_of_equal_and_of_perfect_methods():
    assert weights_of({"a": 2.0, "b": 2.0}) == {"a": 0.5, "b": 0.5}
    assert weights_of({"a": 1.0, "b": 0.0}) == {"b": 1.0}
    assert weights_of({"a": 0.0, "b": 0.0}) == {"a": 0.5, "b": 0.5}


def test_a_clear_winner_has_all_weight_and_a_short_series_no_backtest():
    line = np.arange(60.0)[:, None]
    method = AutomaticForecaster()
    method.fit(line, 6, 1)
    assert method.weights["drift"] > 0.3
    assert method.forecast(line) == pytest.approx(np.arange(60.0, 66.0), abs=1e-3)
    method.fit(line[:8], 6, 1)
    assert set(method.chosen) == {"theta", "damped"}
    assert "too short" in method.why


def test_automatic_beats_each_naive_method_on_a_seasonal_trend():
    values = _series()
    results = fixed_split(values, 12, 12, make(["last-value", "seasonal-naive", "drift", "auto"], 12))
    errors = {result.name: result.errors["mae"] for result in results}
    assert errors["auto"] == min(errors.values())


def test_the_choice_does_not_see_what_it_is_judged_on():
    values = _series()
    changed = values.copy()
    changed[-12:] += 1000
    method, other = AutomaticForecaster(), AutomaticForecaster()
    method.fit(values[:-12], 12, 12)
    other.fit(changed[:-12], 12, 12)
    assert method.weights == other.weights


def test_a_recommendation_names_its_evidence():
    values = _series()
    name, evidence = recommendation(
        fixed_split(values, 12, 12, make(["last-value", "seasonal-naive", "theta"], 12)), 12
    )
    assert name in ("theta", "seasonal-naive")
    assert "forecast" in evidence
    walk = np.cumsum(np.random.default_rng(3).normal(size=300))[:, None]
    results = rolling_origin(walk, 1, 1, make(["last-value", "theta", "drift"], 1), 100)
    assert recommendation(results, 1)[0] == "last-value", "a gain within chance is no reason to leave the simplest"


def test_lines_of_a_picture_can_be_told_apart():
    styles = line_styles(14)
    assert len(set(styles)) == 14
    assert len({tuple(round(part, 2) for part in colour) for colour, _ in styles}) == 14
    assert all(before[1] != after[1] for before, after in pairwise(styles))


def test_predict_says_what_it_chose_and_compare_what_to_take(run, tmp_path):
    rows = [f"{2015 + n // 12}-{n % 12 + 1:02d},{value:.2f}" for n, value in enumerate(_series()[:, 0])]
    path = tmp_path / "sales.csv"
    path.write_text("\n".join(["month,sales", *rows]) + "\n")
    series = [path, "--time-col", "month", "--target", "sales", "--horizon", "6"]
    code, out, err = run("forecast", "predict", *series, "--json", "--plot", tmp_path / "p.png")
    values = json.loads(out)
    assert code == 0
    assert values["method"] == "auto"
    assert sum(values["weights"].values()) == pytest.approx(1, abs=0.01)
    assert values["why"] in err
    assert (tmp_path / "p.png").stat().st_size > 10_000
    code, out, err = run("forecast", "fit", *series, "--output", tmp_path / "m", "--json")
    fitted = json.loads(out)
    assert (code, fitted["method"], fitted["weights"]) == (0, "auto", values["weights"])
    assert fitted["why"] in err
    code, out, _ = run("forecast", "predict", *series, "--model", tmp_path / "m", "--json")
    assert json.loads(out) == values
    code, out, _ = run("forecast", "compare", *series, "--methods", "theta,auto,drift")
    assert code == 0
    assert out.splitlines()[-1].startswith("recommended: ")
