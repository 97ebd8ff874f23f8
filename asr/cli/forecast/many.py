"""`asr forecast windows|many`: the evaluation protocols of the forecasting literature."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr.atomic_file import write_text
from asr.cli.console import note
from asr.cli.shared_options import json_option, quiet_option
from asr.errors import ConfigError
from asr.forecast.panel import METHODS as PANEL_METHODS
from asr.forecast.windows import METHODS as WINDOW_METHODS

if TYPE_CHECKING:
    from asr.forecast.panel import PanelResult


@click.command("windows", short_help="Compare methods over all windows of a long series.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--time-col", help="Column of times, which is not forecast.  [default: none]")
@click.option("--split", required=True, metavar="TRAIN,DEV,TEST", help="Number of steps of each part, in this order.")
@click.option(
    "--look-back", default=96, show_default=True, type=click.IntRange(1), help="Steps before a forecast that it uses."
)
@click.option("--horizon", required=True, type=click.IntRange(1), help="Steps to forecast.")
@click.option("--season", default=24, show_default=True, type=click.IntRange(1), help="Steps of a season.")
@click.option(
    "--methods", default="last-value,seasonal-naive,nlinear,dlinear,segrnn,average", show_default=True,
    help=f"Methods, with commas between them: {', '.join(WINDOW_METHODS)} (`average`: of the learned ones before it).",
)  # fmt: skip
@click.option("--seed", default=1, show_default=True, help="Seed of networks.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for METHOD.csv.gz: errors of each test window.")
@json_option()
@quiet_option
def windows(
    file: Path, time_col: str | None, split: str, look_back: int, horizon: int, season: int, methods: str, seed: int,
    output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare methods over all windows of a test part, as papers on ETT and similar tables do.

    All columns are scaled by the training part. One model forecasts each column from that column's own window; errors
    are on the scaled values.

    \b
    Example: asr forecast windows ETTh1.csv --time-col date --split 8640,2880,2880 --horizon 96
    """
    from asr.forecast.series import column_names, read_series
    from asr.forecast.windows import divide, evaluate

    try:
        sizes = [int(part) for part in split.split(",")]
    except ValueError:
        sizes = []
    if len(sizes) != 3 or min(sizes) < 1:
        raise ConfigError(f"--split '{split}' must be three numbers of steps with commas between them.")
    names = column_names(file, time_col)
    values = read_series(file, names[0], time_col, names[1:]).values
    parts = divide(values, sizes, look_back, horizon)
    chosen = [name for name in methods.replace(",", " ").split() if name]
    results = evaluate(parts, chosen, season, seed, note)
    if output is not None:
        for errors in results:
            pairs = zip(errors.squared, errors.absolute, strict=True)
            _write_lines(output / f"{errors.name}.csv.gz", ["mse,mae", *(f"{s:.6g},{a:.6g}" for s, a in pairs)])
    if as_json:
        figures = {errors.name: {"mse": round(errors.mse, 6), "mae": round(errors.mae, 6)} for errors in results}
        shown = {"look_back": look_back, "horizon": horizon, "windows": len(parts.test), "methods": figures}
        click.echo(json.dumps(shown))
        return
    click.echo(f"{len(parts.test)} test windows of {values.shape[1]} columns")
    for errors in results:
        click.echo(f"{errors.name:<16} MSE {errors.mse:.4f}  MAE {errors.mae:.4f}")


@click.command("many", short_help="Compare methods on many short series.")
@click.argument("train", type=click.Path(path_type=Path))
@click.option("--test", type=click.Path(path_type=Path), help="The values after each series, in the same format.")
@click.option("--period", help="TRAIN is the table of M3; forecast its YEARLY, QUARTERLY, MONTHLY or OTHER series.")
@click.option(
    "--season", default=1, show_default=True, type=click.IntRange(1), help="Steps of a season (M3 has its own)."
)
@click.option(
    "--cycle",
    default=0,
    type=click.IntRange(0),
    help="Season of the methods if it is not --season, which scales the errors (M4's weekly series: 52).",
)
@click.option(
    "--horizon", default=0, type=click.IntRange(0), help="Steps to forecast.  [default: the length of --test]"
)
@click.option(
    "--methods", default="seasonal-naive,theta,hybrid", show_default=True,
    help=f"Methods, with commas between them: {', '.join(PANEL_METHODS)} (`average`, `median`: of those before them, "
    "without the naive ones).",
)  # fmt: skip
@click.option(
    "--held-out",
    count=True,
    help="Evaluate on the last HORIZON values of TRAIN, to choose methods; twice: on the HORIZON values before them.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of networks.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for METHOD.csv.gz: all forecasts.")
@json_option()
@quiet_option
def many(
    train: Path, test: Path | None, period: str | None, season: int, cycle: int, horizon: int, methods: str,
    held_out: int, seed: int, output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare methods on many short series, as in the M competitions: sMAPE, MASE, and OWA relative to Naive2.

    TRAIN has one series per row, its id and then its values (M4's files, plain or .gz), or is the table of M3.

    \b
    Example: asr forecast many Hourly-train.csv --test Hourly-test.csv --season 24 --methods theta,hybrid,average
    """
    from asr.forecast.panel import evaluate, read_m3, read_m4

    if period and (test or horizon):
        raise ConfigError("M3's table has its own test parts and horizons: leave --test and --horizon out.")
    panel = read_m3(train, period) if period else read_m4(train, test, season, horizon, cycle)
    for _ in range(held_out):
        shorter = panel.held_out()
        if left_out := len(panel.ids) - len(shorter.ids):
            note(f"{left_out} of {len(panel.ids)} series are too short to hold {panel.horizon} values out; left out")
        panel = shorter
    chosen = [name for name in methods.replace(",", " ").split() if name]
    results = evaluate(panel, chosen, seed, note)
    if output is not None:
        for result in results:
            header = ",".join(["id", *(f"step{step}" for step in range(1, panel.horizon + 1))])
            pairs = zip(panel.ids, result.forecasts, strict=True)
            rows = [",".join([name, *(f"{value:.6g}" for value in row)]) for name, row in pairs]
            _write_lines(output / f"{result.name}.csv.gz", [header, *rows])
    if as_json:
        figures = {result.name: _figures(result) for result in results}
        click.echo(json.dumps({"series": len(panel.ids), "horizon": panel.horizon, "methods": figures}))
        return
    click.echo(f"{len(panel.ids)} series, horizon {panel.horizon}, season {panel.season}")
    for result in results:
        errors = (
            "" if result.smape is None else f"sMAPE {result.smape:.3f}  MASE {result.mase:.3f}  OWA {result.owa:.3f}"
        )
        click.echo(f"{result.name:<16} {errors}")


def _figures(result: PanelResult) -> dict[str, float | None]:
    values = {"smape": result.smape, "mase": result.mase, "owa": result.owa}
    return {name: None if value is None or math.isnan(value) else round(value, 4) for name, value in values.items()}


def _write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(f"{line}\n" for line in lines))
