"""How many values the intervals of `asr forecast` hold, and how wide they are, on series of M3 and ETT.

    python tools/bench/forecast_intervals.py CORPORA

CORPORA contains series/m3/M3.csv.gz and series/ett/ETTh1.csv and ETTh2.csv. Of three periods of M3, 150 series each
are drawn; the columns of ETT are cut into pieces of 3,000 hours, of which the first 2,000 are fitted to. A line a
method: the share of values after the history within its intervals, and the median half width in mean absolute changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.errors import DataError
from asr.forecast.choose import make
from asr.forecast.intervals import interval_widths, past_errors
from asr.forecast.panel import read_m3
from asr.forecast.series import column_names, read_series

Floats = NDArray[np.float64]
Cut = tuple[Floats, Floats]  # a history (time,), and what follows it

PERIODS, DRAWN, SEED = ("YEARLY", "QUARTERLY", "MONTHLY"), 150, 5
METHODS = ("theta", "ridge", "nlinear", "dlinear")
SHARES = (0.8, 0.9, 0.95)
ORIGINS = 10  # of the forecasts of what follows a history, about


def measure(name: str, cuts: list[Cut], horizon: int, season: int) -> None:
    """Print a line for each method."""
    for method_name in METHODS:
        rows = []
        for history, after in cuts:
            (method,) = make([method_name], horizon)
            values = np.concatenate([history, after])[:, None]
            try:
                method.fit(values[: len(history)].copy(), horizon, season)
            except DataError:
                continue
            errors = past_errors(method, values[: len(history)], horizon, season)
            if not len(errors):
                continue
            room = len(after) - horizon
            places = len(history) + np.arange(0, room + 1, max(1, room // ORIGINS))
            gaps = np.stack([np.abs(method.forecast(values[:p]) - values[p : p + horizon, 0]) for p in places])
            unit = np.abs(np.diff(history)).mean() or 1.0
            scales = np.array([errors.scale(values[:p]) for p in places])[:, None]
            widths = [scales * interval_widths(errors, share) for share in SHARES]
            rows.append([[(gaps <= width).mean() for width in widths], [width.mean() / unit for width in widths]])
        held, wide = np.array(rows)[:, 0].mean(axis=0), np.median(np.array(rows)[:, 1], axis=0)
        shown = "  ".join(
            f"{share:.0%}: {own:.1%}, width {width:.2f}" for share, own, width in zip(SHARES, held, wide, strict=True)
        )
        print(f"{name:14}{method_name:10}{len(rows):4} series  {shown}", flush=True)


def main(corpora: Path) -> None:
    """Measure M3, then ETT."""
    for period in PERIODS:
        panel = read_m3(corpora / "series" / "m3" / "M3.csv.gz", period)
        drawn = np.random.default_rng(SEED).choice(len(panel.ids), DRAWN, replace=False)
        cuts = [(panel.histories[place], panel.actual[place]) for place in drawn]
        measure(f"M3 {period.lower()}", cuts, panel.horizon, panel.season)
    cuts = []
    for name in ("ETTh1", "ETTh2"):
        path = corpora / "series" / "ett" / f"{name}.csv"
        for column in column_names(path, "date"):
            values = read_series(path, column, "date").target
            cuts += [(values[at : at + 2000], values[at + 2000 : at + 3000]) for at in range(0, 12_000, 3000)]
    measure("ETTh", cuts, 24, 24)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
