"""The ranks of the automatic forecaster in tools/bench/RESULTS.md follow from the errors committed beside it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

BENCH = Path(__file__).parents[2] / "tools" / "bench"
_spec = importlib.util.spec_from_file_location("forecast_rank", BENCH / "forecast_rank.py")
bench = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bench)
ROWS = [line.split(",") for line in (BENCH / "forecast_rank.csv").read_text().splitlines()[1:]]


def test_ranks_are_those_of_scipy():
    errors = np.random.default_rng(1).integers(0, 4, (50, 5)).astype(float)
    assert np.array_equal(bench.ranks(errors), rankdata(errors, axis=1))


def test_the_table_follows_from_the_errors():
    assert bench.table(ROWS) in (BENCH / "RESULTS.md").read_text()
    assert {period: sum(row[0] == period for row in ROWS) for period in bench.COUNTS} == bench.COUNTS
    assert len({tuple(row[:2]) for row in ROWS}) == len(ROWS) == 300


def test_the_default_is_first():
    first = bench.table(ROWS).splitlines()[2]
    assert first.startswith("| auto |")


def test_the_series_are_not_those_that_settings_were_chosen_on(data):
    panels = {period: bench.read_m3(data / "series" / "m3" / "M3.csv.gz", period) for period in bench.M3}
    weekly = data / "series" / "m4"
    panels["WEEKLY"] = bench.read_m4(weekly / "Weekly-train.csv.gz", weekly / "Weekly-test.csv", season=1)
    assert [(period, panels[period].ids[place]) for period, place in bench.drawn(panels)] == [
        tuple(r[:2]) for r in ROWS
    ]
    random = np.random.default_rng(bench.TUNING_SEED)
    for period in bench.M3:
        tuning = random.choice(len(panels[period].ids), bench.TUNED_ON, replace=False)
        used = {panels[period].ids[place] for place in tuning}
        assert not used & {row[1] for row in ROWS if row[0] == period}


def test_errors_of_a_series_are_made_anew(data):
    """One series, by the two methods that need no search."""
    row = next(row for row in ROWS if row[0] == "YEARLY")
    panel = bench.read_m3(data / "series" / "m3" / "M3.csv.gz", "YEARLY")
    place = panel.ids.index(row[1])
    history, actual = panel.histories[place], panel.actual[place]
    for name, forecast in (("auto", bench.automatic), ("seasonal-naive", bench.seasonal_naive)):
        column = 2 + 2 * bench.METHODS.index(name)
        errors = forecast(history, panel.horizon, panel.season)
        assert float(row[column]) == pytest.approx(bench.smape(actual, errors), rel=1e-3)
        assert float(row[column + 1]) == pytest.approx(bench.mase(actual, errors, history, panel.season), rel=1e-3)
