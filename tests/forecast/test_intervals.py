"""Intervals of forecasts: exact for independent errors; of growing series and overlapping forecasts by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from asr.forecast.backtest import fixed_split, interval_coverage, origin_places, rolling_origin
from asr.forecast.choose import make
from asr.forecast.intervals import PastErrors, effective_counts, interval_widths, mean_change, past_errors


@pytest.mark.parametrize(("count", "share"), [(9, 0.9), (40, 0.9), (40, 0.8), (19, 0.95), (5, 0.9), (3, 0.5)])
def test_intervals_hold_their_share_of_normal_errors(count, share):
    """Exact where errors are exchangeable: k / (n + 1) by rank, the share itself by Student's quantile."""
    random = np.random.default_rng(7)
    places = np.arange(count)
    trials = [PastErrors(np.abs(random.normal(size=(count, 1))), places, 8.0, 0.0) for _ in range(1500)]
    widths = np.array([interval_widths(errors, share)[0] for errors in trials])
    rank = next((k for k in range(1, count + 1) if 100 * k >= round(100 * share) * (count + 1)), None)
    expected = share if rank is None else rank / (count + 1)
    held = 2 * norm.cdf(widths) - 1
    assert held.mean() == pytest.approx(expected, abs=4.5 * held.std() / np.sqrt(len(held)))
    if rank is not None:
        assert widths.tolist() == [np.sort(errors.scaled[:, 0])[rank - 1] for errors in trials]


@pytest.mark.parametrize("weights", [[1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [1, 0.5, 0.5, 0, 0.8]])
def test_effective_counts_are_those_of_simulated_errors(weights):
    """The variance of the mean of n squared errors is that of so many independent ones."""
    random = np.random.default_rng(2)
    origins = np.array([3, 4, 5, 7, 10, 16])
    steps, size = len(weights), 60_000
    surprises = random.normal(size=(size, 30))
    squares = np.zeros((len(origins), steps))
    means = np.zeros((size, steps))
    for place, step in np.ndindex(len(origins), steps):
        last = origins[place] + step  # an error sums the surprises since the origin, the last one with weights[0]
        made = sum(weights[back] * surprises[:, last - back] for back in range(step + 1))
        squares[place, step] = np.square(weights[: step + 1]).sum()
        means[:, step] += np.square(made) / len(origins)
    found = effective_counts(PastErrors(np.sqrt(squares), origins, 8.0, 0.0))
    expected = 2 * np.square(squares[0]) / means.var(axis=0)
    assert found == pytest.approx(expected, rel=0.05)
    assert found[0] == len(origins)


def _held(series, name, horizon, share=0.9):
    """The shares (horizon,) of the values after the series (trials, time + horizon) that intervals held."""
    hits = []
    for values in series[:, :, None]:
        (method,) = make([name], horizon)
        known = values[:-horizon]
        method.fit(known, horizon, 1)
        errors = past_errors(method, known, horizon, 1)
        widths = errors.scale(known) * interval_widths(errors, share)
        hits.append(np.abs(method.forecast(known) - values[-horizon:, 0]) <= widths)
    return np.mean(hits, axis=0)


def test_intervals_of_series_that_grow_manifold_hold_their_share():
    """By errors that are not relative to the scale, those of 90% held 63%."""
    steps = np.random.default_rng(0).normal(0.04, 0.08, size=(500, 81))
    assert _held(np.exp(np.cumsum(steps, axis=1)), "drift", 1)[0] == pytest.approx(0.9, abs=0.035)
    assert _held(100 * np.exp(-np.cumsum(steps, axis=1)), "drift", 1)[0] >= 0.88, "those that shrink are left wider"


def test_intervals_from_overlapping_forecasts_hold_their_share():
    """Seven forecasts of six steps from origins in a row. Taken for independent, they held 83% at the last step."""
    walks = np.cumsum(np.random.default_rng(1).normal(size=(600, 30)), axis=1)
    assert _held(walks, "last-value", 6).tolist() == pytest.approx([0.9] * 6, abs=0.05)
    noise = np.random.default_rng(1).normal(size=(600, 30))
    held = _held(noise, "last-value", 6)
    assert held.min() > 0.87


def test_past_errors_are_of_values_that_the_method_was_not_fitted_to():
    class Memory:
        name, learned, seen = "memory", 0, ()

        def fit(self, history, horizon, season):
            self.horizon, self.learned = horizon, len(history)

        def forecast(self, history):
            self.seen = (*self.seen, len(history))
            return np.full(self.horizon, float(self.learned))

    values = np.arange(100.0)[:, None]
    method = Memory()
    method.fit(values, 5, 1)
    errors = past_errors(method, values, 5, 1)
    assert errors.scaled.shape == (40, 5)
    assert errors.scaled[0].tolist() == [0, 1, 2, 3, 4], "a copy is fitted to the 50 values before the first origin"
    assert errors.scaled[-1].tolist() == [45, 46, 47, 48, 49]
    assert (errors.origins[0], errors.origins[-1]) == (50, 95)
    assert (method.learned, method.seen) == (100, ()), "the method itself is left alone"
    assert past_errors(method, values[:6], 3, 1).scaled.shape == (0, 3)


def test_errors_are_relative_to_the_scale_of_the_history_before_their_origin():
    values = np.cumsum(np.r_[0.0, np.ones(20), 3 * np.ones(20)])[:, None]
    (method,) = make(["last-value"], 1)
    errors = past_errors(method, values, 1, 1)
    changes = np.diff(values[:, 0])
    weights = [0.5 ** (np.arange(place - 1)[::-1] / (41 / 4)) for place in errors.origins]
    scales = [own @ changes[: len(own)] / own.sum() for own in weights]
    changes = changes[errors.origins - 1]
    assert errors.scaled[:, 0] == pytest.approx(changes / scales)
    still = np.r_[np.zeros(30), np.ones(30) * np.arange(30)][:, None]  # the first half measures nothing
    assert past_errors(method, still, 1, 1).scaled.max() == pytest.approx(1 / (0.1 * mean_change(still, 15.0)))
    assert errors.scale(values) == pytest.approx(mean_change(values, 41 / 4))
    assert errors.scale(np.full((9, 1), 5.0)) == pytest.approx(np.median(scales)), "no narrower where nothing changes"
    flat = past_errors(method, np.full((40, 1), 7.0), 1, 1)
    assert (interval_widths(flat).tolist(), flat.scale(np.full((40, 1), 7.0))) == ([0.0], 1.0)


@pytest.mark.parametrize("name", ["ridge", "nlinear", "dlinear"])
def test_intervals_of_fitted_methods_hold_their_share(name):
    """On 200 random walks. By errors of what it was fitted to, ridge held 74% in place of 80, 85% in place of 90."""
    walks = np.cumsum(np.random.default_rng(0).normal(size=(200, 64)), axis=1)
    for share in (0.8, 0.9):
        assert share <= _held(walks, name, 4, share).mean() < share + 0.08


def test_a_series_too_short_for_intervals_has_none():
    none = PastErrors(np.zeros((0, 4)), np.zeros(0, np.int64), 8.0, 0.0)
    assert np.isnan(interval_widths(none)).tolist() == [True] * 4
    (result,) = fixed_split(np.arange(9.0)[:, None], 2, 1, make(["last-value"], 2))
    assert np.isnan(interval_coverage(result, np.full(2, np.nan)))


def test_a_backtest_takes_the_scale_before_each_origin(run, tmp_path):
    import json

    values = np.round(np.exp(np.cumsum(np.random.default_rng(4).normal(0.04, 0.08, size=120))), 6)
    (tmp_path / "s.csv").write_text("y\n" + "".join(f"{value}\n" for value in values))
    code, out, errors = run(
        "forecast",
        "backtest",
        tmp_path / "s.csv",
        "--horizon",
        3,
        "--origins",
        15,
        "--step",
        2,
        "--methods",
        "drift",
        "--json",
    )
    assert code == 0, errors
    (method,) = make(["drift"], 3)
    (result,) = rolling_origin(values[:, None], 3, 1, [method], 15, 2)
    places = origin_places(120, 3, 15, 2)
    own = past_errors(method, values[: places[0], None], 3, 1)
    hits = [
        np.abs(row - values[place : place + 3]) <= own.scale(values[:place, None]) * interval_widths(own)
        for row, place in zip(result.forecasts, places, strict=True)
    ]
    assert json.loads(out)["methods"]["drift"]["coverage"] == pytest.approx(np.mean(hits))
