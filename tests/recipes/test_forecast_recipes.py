"""The figures of the forecasting recipes follow from the forecasts committed beside them."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from asr.forecast.methods import naive2
from asr.forecast.panel import Panel, read_m3, read_m4
from asr.forecast.series import read_series
from asr.score.forecast_errors import mae, mase, owa, rmse, smape

RECIPES = Path(__file__).parents[2] / "recipes"


def _columns(path: Path) -> dict[str, list[str]]:
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.reader(file))
    return {name: [row[place] for row in rows[1:]] for place, name in enumerate(rows[0])}


def _row(recipe: str, *names: str) -> str:
    rows = (RECIPES / recipe / "RESULTS.md").read_text().splitlines()
    found = [row for row in rows if row.startswith("|") and all(name in row for name in names)]
    assert len(found) == 1, f"{names}: {found}"
    return found[0]


def _forecasts(path: Path, panel: Panel) -> np.ndarray:
    columns = _columns(path)
    assert columns["id"] == panel.ids
    return np.array([columns[f"step{step}"] for step in range(1, panel.horizon + 1)], float).T


def _errors(panel: Panel, forecasts: np.ndarray) -> tuple[float, float]:
    rows = list(zip(panel.actual, forecasts, panel.histories, strict=True))
    left = np.mean([smape(after, row) for after, row, _ in rows])
    return float(left), float(np.nanmean([mase(after, row, history, panel.season) for after, row, history in rows]))


@pytest.mark.parametrize("period", ["yearly", "quarterly", "monthly", "other"])
def test_m3(data, period):
    panel = read_m3(data / "series" / "m3" / "M3.csv.gz", period.upper())
    place = 2 + ["yearly", "quarterly", "monthly", "other"].index(period)
    for path in sorted((RECIPES / "m3" / "hyp").glob(f"{period}-*.csv.gz")):
        method = path.name.removeprefix(f"{period}-").removesuffix(".csv.gz")
        shown = _row("m3", f"`{method}` |").split("|")[place].strip()
        assert f"{_errors(panel, _forecasts(path, panel))[0]:.3f}" == shown, (period, method)


@pytest.mark.parametrize(("name", "season"), [("Hourly", 24), ("Weekly", 1)])
def test_m4(data, name, season):
    folder = data / "series" / "m4"
    panel = read_m4(folder / f"{name}-train.csv.gz", folder / f"{name}-test.csv", season)
    first = _errors(panel, np.stack([naive2(h, panel.horizon, season) for h in panel.histories]))
    paths = sorted((RECIPES / "m4" / "hyp").glob(f"{name.lower()}-*.csv.gz"))
    assert paths
    for path in paths:
        method = path.name.removeprefix(f"{name.lower()}-").removesuffix(".csv.gz")
        found = _errors(panel, _forecasts(path, panel))
        figures = f"{found[0]:.3f} | {found[1]:.3f} | {owa(*found, *first):.3f}"
        assert figures in _row("m4", f"| {name.lower()} |", f"`{method}` |"), (method, figures)


@pytest.mark.parametrize("path", sorted((RECIPES / "ett" / "hyp").glob("*.csv.gz")), ids=lambda path: path.stem)
def test_ett(path):
    series, look_back, horizon, method = path.name.removesuffix(".csv.gz").split("-", 3)
    columns = _columns(path)
    figures = [f"{np.mean(np.array(columns[name], float)):.3f}" for name in ("mse", "mae")]
    row = _row("ett", f"| {series} | {look_back} |", f"`{method}`")
    place = {"96": 0, "192": 1, "336": 2, "720": 3}[horizon]
    assert " / ".join(figures) == row.split("|")[4 + place].strip(), row


@pytest.mark.parametrize("ticker", ["aapl", "msft", "ibm", "ge", "ko", "jpm", "spy"])
def test_stocks(data, ticker):
    prices = read_series(data / "series" / "stocks" / f"{ticker}.csv.gz", "Close", "Date").target
    actual, before = prices[-1000:], prices[-1001:-1]
    for part in ("plain", "recurrent"):
        columns = _columns(RECIPES / "stocks" / "hyp" / f"{ticker}-{part}.csv.gz")
        for method, values in columns.items():
            if method in ("origin", "step"):
                continue
            forecasts = np.array(values, float)
            returns = np.abs((forecasts - actual) / before).mean()
            figures = f"{mae(actual, forecasts):.4f} | {rmse(actual, forecasts):.4f} | {100 * returns:.4f}"
            assert figures in _row("stocks", f"| {ticker} |", f"`{method}`"), (ticker, method, figures)
