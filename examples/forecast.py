"""Forecasts of a series beside the plain methods that they must beat: python examples/forecast.py [FILE.csv COLUMN]"""

import sys

import numpy as np

from asr.forecast.backtest import fixed_split
from asr.forecast.choose import make
from asr.forecast.series import read_series

HORIZON, SEASON = 12, 12

if len(sys.argv) > 2:
    values = read_series(sys.argv[1], sys.argv[2]).values
else:  # eight years of monthly sales, made up: a trend, a season, and chance
    months = np.arange(96)
    sales = 100 + 0.8 * months + 20 * np.sin(2 * np.pi * months / 12) + np.random.default_rng(1).normal(0, 3, 96)
    values = sales[:, None]

methods = make(["last-value", "seasonal-naive", "theta", "lstm"], HORIZON)
results = fixed_split(values, HORIZON, SEASON, methods)  # no method sees the last twelve values
for result in sorted(results, key=lambda result: result.errors["mae"]):
    print(f"{result.name:15s} mean absolute error {result.errors['mae']:7.3f}, MASE {result.errors['mase']:.3f}")
