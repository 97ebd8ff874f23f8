"""`asr forecast`: forecast a series from a CSV file, and measure how good forecasts of it are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.core import ParameterSource
from numpy.typing import NDArray

from asr.atomic_file import write_text
from asr.cli.console import note, warn
from asr.cli.figures import PicturePath
from asr.cli.forecast.many import many, windows
from asr.cli.forecast.output import (
    csv_text,
    draw_forecasts,
    finite_number,
    print_table,
    print_verdicts,
    rounded_errors,
    share_cell,
    write_forecasts,
    write_origins,
)
from asr.cli.shared_options import json_option, quiet_option
from asr.errors import ConfigError
from asr.forecast.automatic import NAME as AUTOMATIC
from asr.forecast.automatic import AutomaticForecaster
from asr.forecast.backtest import (
    Result,
    check_length,
    fixed_split,
    interval_coverage,
    origin_places,
    recommendation,
    rolling_origin,
    verdict,
)
from asr.forecast.choose import DEFAULT, RECURRENT, SIMPLE, make, names
from asr.forecast.folder import load_forecaster, save_forecaster, stored_errors
from asr.forecast.intervals import INTERVAL, PastErrors, interval_widths, past_errors
from asr.forecast.known import history_at
from asr.forecast.methods import Forecaster, TrainedForecaster
from asr.forecast.series import MISSING_CHOICES, Series, future_times, read_series

Floats = NDArray[np.float64]

METHODS_HELP = f"`all`, or methods with commas between them: {', '.join(names())}."


@click.group()
def command() -> None:
    """Forecast a series from a CSV file with a header.

    \b
    Example: asr forecast compare passengers.csv --time-col month --target passengers --horizon 12 --season 12
    """


def series_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options with which every subcommand reads a series."""
    for option in (
        json_option(),
        click.option(
            "--missing",
            type=click.Choice(MISSING_CHOICES),
            default="error",
            show_default=True,
            help="Treatment of missing values: refuse, interpolate in a straight line, or repeat the last one.",
        ),
        click.option(
            "--season",
            default=0,
            type=click.IntRange(0),
            help="Steps of a season.  [default: by the frequency of the times]",
        ),
        click.option("--horizon", required=True, type=click.IntRange(1), help="Steps to forecast."),
        click.option(
            "--input",
            "inputs",
            multiple=True,
            metavar="COLUMN",
            help=f"Further column to use, by {', '.join(RECURRENT)}; may be repeated.",
        ),
        click.option("--target", help="Column to forecast.  [default: the last one]"),
        click.option("--time-col", help="Column of times: ISO dates, year-month, numbers.  [default: none]"),
        click.argument("file", type=click.Path(path_type=Path)),
    ):
        function = option(function)
    return function


method_option = click.option(
    "--method", default=AUTOMATIC, show_default=True, type=click.Choice(names()),
    help="Method to fit; auto weighs simple ones by a backtest.",
)  # fmt: skip

interval_option = click.option(
    "--interval", "share", default=INTERVAL, show_default=True, metavar="SHARE",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the values that the intervals are to hold.",
)  # fmt: skip


def _read(
    file: Path,
    target: str | None,
    time_col: str | None,
    inputs: tuple[str, ...],
    missing: str,
    season: int,
    horizon: int,
) -> tuple[Series, int]:
    series = read_series(file, target, time_col, inputs, missing)
    for finding in series.notes:
        note(f"{file}: {finding}")
    check_length(series.values, horizon)
    if season > len(series) // 2:
        note(f"{file}: {len(series)} values do not hold two seasons of {season} steps; most methods will not use it")
    return series, season or series.season


def _make(methods: Sequence[str], horizon: int, inputs: tuple[str, ...]) -> list[Forecaster]:
    """The forecasters; a note where further columns are given and none of the methods uses them."""
    if inputs and not set(methods) & set(RECURRENT):
        note(f"--input has no effect: of the methods only {', '.join(RECURRENT)} use further columns")
    return make(methods, horizon)


def _chosen(text: str) -> list[str]:
    return list(DEFAULT) if text == "all" else [name for name in text.replace(",", " ").split() if name]


@command.command("compare", short_help="Compare methods on the last values.")
@series_options
@click.option("--methods", default="all", show_default=True, help=METHODS_HELP)
@click.option("--output", type=click.Path(path_type=Path), help="Write all forecasts as CSV.")
@click.option("--plot", type=PicturePath(), help="Write a picture (PNG).")
@quiet_option
def compare(
    file: Path, time_col: str | None, target: str | None, inputs: tuple[str, ...], horizon: int, season: int,
    missing: str, as_json: bool, methods: str, output: Path | None, plot: Path | None,
) -> int:  # fmt: skip
    """Compare methods on the last HORIZON values, which none of them is fitted to.

    \b
    Example: asr forecast compare passengers.csv --time-col month --target passengers --horizon 12 --season 12 --json
    """
    series, season = _read(file, target, time_col, inputs, missing, season, horizon)
    chosen = _make([*SIMPLE[:2], *_chosen(methods)], horizon, inputs)
    results = fixed_split(series.values, horizon, season, chosen, lambda name: note(f"{name} …"), series.filled)
    usable = _usable(results)
    if output is not None:
        write_forecasts(output, list(series.times[-horizon:]) or future_times(series, horizon), usable)
    if plot is not None:
        best = min(usable, key=lambda result: result.errors["mse"]).name
        draw_forecasts(plot, series, usable, len(series) - horizon, title=f"The last {horizon} values, best: {best}")
    if as_json:
        shown = {result.name: rounded_errors(result.errors) for result in usable}
        name, evidence = recommendation(usable, horizon)
        click.echo(json.dumps({"horizon": horizon, "methods": shown, "recommended": name, "evidence": evidence}))
    else:
        print_table(usable)
        print_verdicts(usable, horizon)
        click.echo("recommended: {}: {}".format(*recommendation(usable, horizon)))
    return 0


@command.command("backtest", short_help="Compare methods from many origins.")
@series_options
@click.option("--methods", default="all", show_default=True, help=METHODS_HELP)
@click.option(
    "--origins", default=20, show_default=True, type=click.IntRange(1), help="Number of points to forecast from."
)
@click.option("--step", default=1, show_default=True, type=click.IntRange(1), help="Steps between two origins.")
@click.option(
    "--refit-every", default=0, type=click.IntRange(0), help="Fit again every so many origins.  [default: never]"
)
@click.option("--returns", is_flag=True, help="Also print errors of changes relative to the last value (for prices).")
@interval_option
@click.option("--output", type=click.Path(path_type=Path), help="Write all forecasts as CSV.")
@quiet_option
def backtest(
    file: Path, time_col: str | None, target: str | None, inputs: tuple[str, ...], horizon: int, season: int,
    missing: str, as_json: bool, methods: str, origins: int, step: int, refit_every: int, returns: bool,
    share: float, output: Path | None,
) -> int:  # fmt: skip
    """Compare methods from many origins, and test each against the best baseline.

    \b
    Example: asr forecast backtest aapl.csv --time-col Date --target Close --horizon 1 --origins 1000 --returns
    """
    series, season = _read(file, target, time_col, inputs, missing, season, horizon)
    chosen = _make([*SIMPLE[:2], *_chosen(methods)], horizon, inputs)
    results = _usable(
        rolling_origin(
            series.values,
            horizon,
            season,
            chosen,
            origins,
            step,
            lambda name: note(f"{name} …"),
            refit_every,
            series.filled,
        )
    )
    places = origin_places(len(series), horizon, origins, step)
    learned = history_at(series.values, places[0], series.filled)
    usable = {result.name for result in results}
    past = {
        method.name: past_errors(method, learned, horizon, season, series.filled)
        for method in chosen
        if method.name in usable
    }
    widths = {name: _origins_widths(errors, series, places, share) for name, errors in past.items()}
    covered = {result.name: interval_coverage(result, widths[result.name]) for result in results}
    if output is not None:
        write_origins(output, results)
    baselines = [result for result in results if result.name in SIMPLE]
    overlapping = -(-horizon // step)  # forecasts from so many origins in a row share steps: their losses correlate
    verdicts = [verdict(result, baselines, overlapping) for result in results if result.name not in SIMPLE]
    if as_json:
        shown = {
            result.name: rounded_errors(
                result.errors | {"coverage": covered[result.name]} | _returns(result, series, step, returns)
            )
            for result in results
        }
        values = {"horizon": horizon, "origins": origins, "methods": shown, "verdicts": [v.text for v in verdicts]}
        click.echo(json.dumps(values))
        return 0
    print_table(results, {name: share_cell(value) for name, value in covered.items()}, f"in {100 * share:.4g}%")
    for result in results:
        for name, value in _returns(result, series, step, returns).items():
            click.echo(f"{result.name}: {name} {value:.6g}")
    for result_verdict in verdicts:
        click.echo(result_verdict.text)
    return 0


@command.command("fit", short_help="Fit one method and store it.")
@series_options
@method_option
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@quiet_option
def fit(
    file: Path, time_col: str | None, target: str | None, inputs: tuple[str, ...], horizon: int, season: int,
    missing: str, as_json: bool, method: str, output: Path,
) -> int:  # fmt: skip
    """Fit one method to the whole series and store it.

    A method without weights of a network, `auto` among them, is stored by its name: `asr forecast predict --model` fits
    it again to the series that it is given, and says what it chose there.

    \b
    Example: asr forecast fit passengers.csv --time-col month --target passengers --horizon 12 --output model
    """
    series, season = _read(file, target, time_col, inputs, missing, season, horizon)
    forecaster = _make([method], horizon, inputs)[0]
    forecaster.fit(series.values, horizon, season)
    trained = isinstance(forecaster, TrainedForecaster)
    errors = past_errors(forecaster, series.values, horizon, season, series.filled) if trained else None
    save_forecaster(output, forecaster, series, horizon, season, errors)
    chosen = _choice(forecaster)
    if as_json:
        values = {"method": method, "horizon": horizon, "season": season, "values": len(series)}
        click.echo(json.dumps(values | chosen))
    note(f"{output}: {method}, {len(series)} values, horizon {horizon}, season {season}")
    return 0


@command.command("predict", short_help="Forecast the values after the series.")
@series_options
@click.option("--model", type=click.Path(path_type=Path), help="Folder from `asr forecast fit`.")
@method_option
@click.option("--output", type=click.Path(path_type=Path), help="Write the forecast as CSV.")
@click.option("--plot", type=PicturePath(), help="Write a picture (PNG).")
@interval_option
@quiet_option
def predict(
    file: Path, time_col: str | None, target: str | None, inputs: tuple[str, ...], horizon: int, season: int,
    missing: str, as_json: bool, model: Path | None, method: str, output: Path | None, plot: Path | None,
    share: float,
) -> int:  # fmt: skip
    """Forecast the values after the series, with an interval.

    \b
    Example: asr forecast predict passengers.csv --time-col month --target passengers --horizon 12 --plot out.png
    """
    if model is not None and click.get_current_context().get_parameter_source("method") == ParameterSource.COMMANDLINE:
        raise click.UsageError("--model holds its own method; leave out --method.")
    wanted = season
    series, season = _read(file, target, time_col, inputs, missing, season, horizon)
    if model is None:
        forecaster = _make([method], horizon, inputs)[0]
    else:
        forecaster, values = load_forecaster(model)
        season = values["season"]
        if wanted not in (0, season):
            raise ConfigError(f"{model} was fitted with a season of {season} steps, not {wanted}; leave `season` out.")
        if values["horizon"] != horizon:
            raise ConfigError(f"{model} was fitted for a horizon of {values['horizon']}, not {horizon}.")
        if values["columns"] != list(series.columns):
            raise ConfigError(f"{model} was fitted to the columns {', '.join(values['columns'])}; give the same.")
    if model is None or not isinstance(forecaster, TrainedForecaster):
        forecaster.fit(series.values, horizon, season)
    chosen = _choice(forecaster)
    forecast = forecaster.forecast(series.values)
    errors = None if model is None else stored_errors(values)
    if errors is None:
        errors = past_errors(forecaster, series.values, horizon, season, series.filled)
    widths = errors.scale(series.values) * interval_widths(errors, share)
    if np.isnan(widths).all():
        note(f"{file}: the series is too short for {forecaster.name} to have past errors; the forecast has no interval")
    rows = [
        {
            "time": time,
            "forecast": finite_number(value),
            "low": finite_number(value - width),
            "high": finite_number(value + width),
        }
        for time, value, width in zip(future_times(series, horizon), forecast, widths, strict=True)
    ]
    if plot is not None:
        result = Result(forecaster.name, forecast[None], np.zeros((0, horizon)), {})
        draw_forecasts(
            plot, series, [result], len(series), (widths, share), f"The next {horizon} values by {result.name}"
        )
    text = csv_text([list(rows[0]), *[["" if value is None else value for value in row.values()] for row in rows]])
    if output is not None:
        write_text(output, text)
    if as_json:
        shown = {"method": forecaster.name, **chosen, "horizon": horizon, "interval": share, "forecast": rows}
        click.echo(json.dumps(shown))
    elif output is None:
        click.echo(text, nl=False)
    return 0


def _origins_widths(errors: PastErrors, series: Series, places: Sequence[int], share: float) -> Floats:
    """Half widths (origins, horizon) of the intervals at each origin."""
    scales = [errors.scale(history_at(series.values, place, series.filled)) for place in places]
    return np.array(scales)[:, None] * interval_widths(errors, share)


def _choice(forecaster: Forecaster) -> dict[str, Any]:
    """What the automatic forecaster chose and why, which stderr shows too; nothing of others."""
    if not isinstance(forecaster, AutomaticForecaster):
        return {}
    note(f"chosen: {forecaster.why}")
    weights = {name: round(weight, 4) for name, weight in forecaster.weights.items()}
    return {"weights": weights, "why": forecaster.why}


def _usable(results: list[Result]) -> list[Result]:
    """The results of methods that could be fitted; the others are named, and how many values judge none."""
    actual = results[0].actual
    if missing := int(np.isnan(actual).sum()):
        note(f"{missing} of {actual.size} values to forecast are missing; forecasts are judged by the others")
    for result in results:
        if result.note:
            warn(f"{result.name} is left out: {result.note}")
    return [result for result in results if not result.note]


def _returns(result: Result, series: Series, step: int, wanted: bool) -> dict[str, float]:
    """Errors of the changes relative to each origin's last value; the origins lie `step` apart."""
    if not wanted:
        return {}
    count, horizon = result.forecasts.shape
    places = origin_places(len(series), horizon, count, step)
    last = np.array([history_at(series.values, place, series.filled)[-1, 0] for place in places])[:, None]
    gaps = (result.forecasts - result.actual) / last
    return {"mae_returns": float(np.nanmean(np.abs(gaps))), "rmse_returns": float(np.sqrt(np.nanmean(np.square(gaps))))}


command.add_command(windows)
command.add_command(many)
