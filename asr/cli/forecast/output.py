"""Forecasts and their errors as tables, CSV files and pictures."""

from __future__ import annotations

import csv
import io
import math
from colorsys import hsv_to_rgb
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from asr.atomic_file import write_text
from asr.cli.figures import new_figure, save_figure
from asr.forecast.backtest import Result, verdict
from asr.forecast.choose import SIMPLE
from asr.forecast.series import Series, future_times

DIGITS = 10  # significant, of written values
SHOWN_HISTORY = 4  # horizons of the past in a picture
SHOWN_TIMES = 8
LINES = ("-", "--", "-.", ":")


def finite_number(value: float) -> float | None:
    """The value rounded to `DIGITS` digits for JSON and CSV, None if it is not finite."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def share_cell(value: float) -> str:
    """A share as a cell of the table, `-` where there is none."""
    return f"{value:9.1%}" if math.isfinite(value) else f"{'-':>9}"


def rounded_errors(errors: dict[str, float]) -> dict[str, float | None]:
    """Errors rounded for JSON, None where they are not finite."""
    return {name: finite_number(value) for name, value in errors.items()}


def print_table(results: list[Result], last_column: dict[str, str] | None = None, title: str = "") -> None:
    """Print the errors of each method, the smallest squared error first; last_column: a further cell by method."""
    click.echo(
        f"{'method':<16}{'MAE':>12}{'RMSE':>12}{'MSE':>14}{'sMAPE':>9}{'MASE':>9}"
        + (f"{title:>9}" if last_column else "")
    )
    for result in sorted(results, key=lambda result: result.errors["mse"]):
        errors = result.errors
        click.echo(
            f"{result.name:<16}{errors['mae']:12.5g}{errors['rmse']:12.5g}{errors['mse']:14.6g}{errors['smape']:9.3f}"
            f"{errors['mase']:9.3f}" + (last_column[result.name] if last_column else "")
        )


def print_verdicts(results: list[Result], horizon: int) -> None:
    """Print how each method compares with the best baseline."""
    baselines = [result for result in results if result.name in SIMPLE]
    for result in results:
        if result.name not in SIMPLE:
            click.echo(verdict(result, baselines, horizon).text)


def csv_text(rows: list[list[Any]]) -> str:
    """The rows as CSV."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def write_forecasts(path: Path, times: list[str], results: list[Result]) -> None:
    """Write the forecasts of all methods, one row for each step."""
    rows: list[list[Any]] = [["time", *[result.name for result in results]]]
    for place, time in enumerate(times):
        rows.append([time, *[f"{r.forecasts[0, place]:.{DIGITS}g}" for r in results]])
    write_text(path, csv_text(rows))


def write_origins(path: Path, results: list[Result]) -> None:
    """Write the forecasts of all methods from all origins, one row for each origin and step."""
    rows: list[list[Any]] = [["origin", "step", *[result.name for result in results]]]
    for origin, step in np.ndindex(results[0].actual.shape):
        values = [f"{result.forecasts[origin, step]:.{DIGITS}g}" for result in results]
        rows.append([origin, step + 1, *values])
    write_text(path, csv_text(rows))


def draw_forecasts(
    path: Path, series: Series, results: list[Result], start: int,
    interval: tuple[NDArray[np.float64], float] | None = None, title: str = "",
) -> None:  # fmt: skip
    """Draw the end of the series and each method's forecast from step `start` on.

    interval: half widths (horizon,) around the forecast, and the share of the values that they are to hold.
    """
    figure = new_figure(10, 4.5)
    axes = figure.add_subplot()
    horizon = results[0].forecasts.shape[1]
    begin = max(0, start - SHOWN_HISTORY * horizon)
    axes.plot(range(begin, len(series)), series.target[begin:], color="black", label=series.columns[0])
    steps = np.arange(start, start + horizon)
    for result, (colour, line) in zip(results, line_styles(len(results)), strict=True):
        axes.plot(steps, result.forecasts[0], color=colour, linestyle=line, label=result.name)
        if interval is not None:
            widths, share = interval
            low, high = result.forecasts[0] - widths, result.forecasts[0] + widths
            axes.fill_between(steps, low, high, color=colour, alpha=0.2, label=f"{100 * share:.4g}% interval")
    labels = list(series.times) + future_times(series, horizon)
    if series.times:
        ticks = np.linspace(begin, start + horizon - 1, SHOWN_TIMES).astype(int).tolist()
        axes.set_xticks(ticks, [labels[place] for place in ticks], rotation=20, ha="right")
    axes.set_xlabel(f"time ({series.frequency}s)" if series.frequency else "time" if series.times else "step")
    axes.set_ylabel(series.columns[0])
    axes.set_title(title)
    figure.legend(loc="outside right upper", fontsize="small")
    save_figure(figure, path)


def line_styles(count: int) -> list[tuple[tuple[float, float, float], str]]:
    """A colour and a kind of line for each of `count` lines: no two of one colour, no neighbours of one kind."""
    tints = [hsv_to_rgb(place / count, 0.85, 0.55 + 0.3 * (place % 2)) for place in range(count)]
    return [(tint, LINES[place % len(LINES)]) for place, tint in enumerate(tints)]
