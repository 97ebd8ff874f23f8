"""Ranks of `asr forecast predict`'s default beside statsforecast's automatic models, on series kept out of its making.

    python tools/bench/forecast_rank.py CORPORA tools/bench/forecast_rank.csv

CORPORA contains series/m3/M3.csv.gz and series/m4/Weekly-*. Of each period as many series as `COUNTS` says are drawn,
none of those that the settings of `asr.forecast.automatic` were chosen on. Each method forecasts the competition's test
part of each series once, all with the same season. A rank is by the absolute error, 1 the least; methods that tie share
the mean of their ranks. The file gets sMAPE (per cent) and MASE of each forecast; a run goes on where an earlier one
stopped, and the tables are printed at the end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.forecast.automatic import AutomaticForecaster
from asr.forecast.methods import seasonal_naive
from asr.forecast.panel import Panel, read_m3, read_m4
from asr.score.forecast_errors import mase, smape

Floats = NDArray[np.float64]

M3 = ("YEARLY", "QUARTERLY", "MONTHLY", "OTHER")
COUNTS = {"YEARLY": 70, "QUARTERLY": 70, "MONTHLY": 80, "OTHER": 30, "WEEKLY": 50}  # WEEKLY is M4's, the others M3's
TUNING_SEED, TUNED_ON, SEED = 33, 80, 2026  # TUNED_ON: series of each period of M3
METHODS = ("auto", "AutoETS", "AutoARIMA", "AutoTheta", "seasonal-naive")


def drawn(panels: dict[str, Panel]) -> list[tuple[str, int]]:
    """The series to forecast, as period and place."""
    tuning, random = np.random.default_rng(TUNING_SEED), np.random.default_rng(SEED)
    series = []
    for period, panel in panels.items():
        count = len(panel.ids)
        used = tuning.choice(count, TUNED_ON, replace=False) if period in M3 else np.array([], int)
        others = np.setdiff1d(np.arange(count), used)
        series += [(period, int(place)) for place in random.choice(others, COUNTS[period], replace=False)]
    return series


def automatic(history: Floats, horizon: int, season: int) -> Floats:
    method = AutomaticForecaster()
    method.fit(history[:, None], horizon, season)
    return method.forecast(history[:, None])


def statsforecast(name: str) -> Callable[[Floats, int, int], Floats]:
    """The forecast of one of its automatic models."""

    def forecast(history: Floats, horizon: int, season: int) -> Floats:
        from statsforecast import models

        model = getattr(models, name)(season_length=season)
        return np.asarray(model.forecast(y=history, h=horizon)["mean"], np.float64)

    return forecast


def ranks(errors: Floats) -> Floats:
    """The ranks (series, methods) of errors of that shape, from 1; ties share their mean."""
    less = (errors[:, None, :] < errors[:, :, None]).sum(axis=2)
    same = (errors[:, None, :] == errors[:, :, None]).sum(axis=2)
    return np.asarray(less + (same + 1) / 2)


def table(rows: list[list[str]]) -> str:
    """Mean rank, sMAPE and MASE of each method over the rows of the file of errors, as Markdown."""
    values = np.array([[float(cell) for cell in row[2:]] for row in rows]).reshape(len(rows), len(METHODS), 2)
    by_rank = ranks(values[:, :, 1]).mean(axis=0)
    lines = ["| method | mean rank | sMAPE | MASE |", "|---|---|---|---|"]
    for place in np.argsort(by_rank):
        errors = values[:, place].mean(axis=0)
        lines.append(f"| {METHODS[place]} | {by_rank[place]:.3f} | {errors[0]:.3f} | {errors[1]:.3f} |")
    return "\n".join(lines)


def main() -> None:
    corpora, path = (Path(argument) for argument in sys.argv[1:3])
    panels = {period: read_m3(corpora / "series/m3/M3.csv.gz", period) for period in M3}
    m4 = corpora / "series/m4"
    panels["WEEKLY"] = read_m4(m4 / "Weekly-train.csv.gz", m4 / "Weekly-test.csv", season=1)
    forecasters = dict(zip(METHODS[1:4], map(statsforecast, METHODS[1:4]), strict=True))
    forecasters |= {"auto": automatic, "seasonal-naive": seasonal_naive}
    if not path.exists():
        header = ",".join(f"{name} {error}" for name in METHODS for error in ("smape", "mase"))
        path.write_text(f"period,id,{header}\n")
    finished = {tuple(line.split(",")[:2]) for line in path.read_text().splitlines()[1:]}
    for period, place in drawn(panels):
        panel = panels[period]
        if (period, panel.ids[place]) in finished:
            continue
        history, actual, begin = panel.histories[place], panel.actual[place], time.perf_counter()
        cells = [period, panel.ids[place]]
        for name in METHODS:
            forecast = forecasters[name](history, panel.horizon, panel.season)
            scaled = mase(actual, forecast, history, panel.season)
            cells += [f"{smape(actual, forecast):.4f}", f"{scaled:.5f}"]
        with path.open("a") as file:
            file.write(",".join(cells) + "\n")
        print(",".join(cells), f"{time.perf_counter() - begin:.0f} s", file=sys.stderr)
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    for period in (*panels, ""):
        chosen = [row for row in rows if period in ("", row[0])]
        print(f"\n{period or 'all'}: {len(chosen)} series\n\n{table(chosen)}")


if __name__ == "__main__":
    main()
