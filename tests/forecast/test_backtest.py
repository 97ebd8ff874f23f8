"""Series from files, splits without leaks, verdicts in words, and the commands."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta

import numpy as np
import pytest

from asr.errors import DataError
from asr.forecast.backtest import (
    fixed_split,
    rolling_origin,
    verdict,
)
from asr.forecast.choose import make
from asr.forecast.folder import load_forecaster, stored_errors
from asr.forecast.intervals import PastErrors, interval_widths
from asr.forecast.known import history_at
from asr.forecast.series import future_times, read_series


class Spy:
    """Remembers what it was shown; forecasts with a leak if there is one."""

    name = "spy"

    def __init__(self, values):
        self.values, self.learned, self.seen = values, 0, []

    def fit(self, history, horizon, season):
        self.horizon, self.learned = horizon, len(history)

    def forecast(self, history):
        self.seen.append(len(history))
        assert np.array_equal(history, self.values[: len(history)])
        # A view into a longer array would let a method read on past the end of its history.
        base = history.base if history.base is not None else history
        return np.resize(base[len(history) : len(history) + self.horizon, 0], self.horizon)


def test_nothing_after_the_origin_is_shown():
    values = np.arange(60.0)[:, None]
    spy = Spy(values)
    (result,) = rolling_origin(values, 5, 1, [spy], origins=4, step=3)
    assert spy.learned == 60 - 5 - 9
    assert spy.seen == [46, 49, 52, 55]
    assert result.actual[:, 0].tolist() == [46, 49, 52, 55]
    assert result.errors["mse"] > 0  # a forecaster that reaches for the future finds none


def test_the_fixed_split_judges_the_last_values():
    values = np.r_[np.zeros(30), [1.0, 2.0]][:, None]
    (result,) = fixed_split(values, 2, 1, make(["last-value"], 2))
    assert result.errors["mae"] == pytest.approx(1.5)
    assert result.forecasts.tolist() == [[0, 0]]


def test_a_model_that_does_not_beat_the_last_value_is_told_so():
    walk = np.cumsum(np.random.default_rng(0).normal(size=700))[:, None] + 100
    results = rolling_origin(walk, 1, 1, make(["last-value", "ridge", "drift"], 1), origins=200)
    found = verdict(results[1], [results[0]], 1)
    assert "does not beat last-value" in found.text
    wave = 5 * np.sin(np.arange(700) / 3)[:, None]
    results = rolling_origin(wave, 1, 1, make(["last-value", "ridge"], 1), origins=200)
    assert "beats last-value by more than chance" in verdict(results[1], [results[0]], 1).text


def test_a_baseline_without_an_error_is_not_told_to_be_as_good_as_any():
    """A squared error of any size was "0.0% above" none."""
    steps = np.tile([0.0, 1.0], 60)[:, None]
    results = rolling_origin(steps, 2, 2, make(["seasonal-naive", "last-value"], 2), origins=4)
    found = verdict(results[1], [results[0]], 2).text
    assert "squared error 0.5, where seasonal-naive makes none" in found
    assert "does not beat" in found


def test_a_method_fitted_again_chooses_its_window_again():
    values = np.random.default_rng(1).normal(size=(100, 1))
    (used,), (fresh,) = make(["ridge"], 2), make(["ridge"], 2)
    used.fit(values, 2, 12)
    used.fit(values[:30], 2, 12)
    fresh.fit(values[:30], 2, 12)
    assert used.look_back == fresh.look_back
    assert np.array_equal(used.forecast(values), fresh.forecast(values))


@pytest.mark.parametrize(
    ("times", "frequency", "after"),
    [
        (["1949-11", "1949-12", "1950-01"], "month", "1950-02"),
        (["2020-01-30", "2020-01-31", "2020-02-01"], "day", "2020-02-02"),
        (["2020-01-31", "2020-02-29", "2020-03-31"], "month", "2020-04-30"),
        (["2016-07-01 00:00:00", "2016-07-01 01:00:00"], "hour", "2016-07-01 02:00:00"),
        (["1949", "1949.08333333333", "1949.16666666667"], "month", "1949.25"),
        (["1", "2", "3"], "", "4"),
        (["1821", "1822", "1823"], "year", "1824"),
        (["2020-01-06", "2020-01-13"], "week", "2020-01-20"),
        (["2016-07-01T00:00:00Z", "2016-07-01T00:15:00Z"], "quarter-hour", "2016-07-01T00:30:00Z"),
        (["2016-07-01 00:00:00", "2016-07-01 00:10:00"], "", "2016-07-01 00:20:00"),
        (["2016-07-01 21:00:00", "2016-07-01 23:00:00"], "", "2016-07-02 01:00:00"),
        (["2020-01-01 12:30:00", "2020-01-02 12:30:00"], "day", "2020-01-03 12:30:00"),
        (["2020-01-01", "2020-01-15"], "", "2020-01-29"),
        (["2020-01-01", "2020-07-01"], "", "2021-01-01"),
        (["2020-01", "2020-07"], "", "2021-01"),
        (["2019-12-31", "2020-01-31", "2020-02-29"], "month", "2020-03-31"),
        (["2019-06-30", "2019-09-30", "2019-12-31"], "quarter", "2020-03-31"),
        (["2020-01-01", "2020-01-29", "2020-02-26", "2020-03-25"], "", "2020-04-22"),
        (["20200130", "20200131", "20200201"], "day", "20200202"),
        (["1", "2", "3", "5"], "", "6"),
        (["1577836800000", "1577836860000"], "", "1577836920000"),
        (["2020-01-01T22", "2020-01-01T23", "2020-01-02T00"], "hour", "2020-01-02T01"),
        (["2020-01-01 12:00", "2020-01-02 00:00"], "", "2020-01-02 12:00"),
        (["2020-01-01T00", "2020-01-01T00:30", "2020-01-01T01"], "half-hour", "2020-01-01T01:30"),
        (["20200101T0500", "20200101T0515"], "quarter-hour", "20200101T0530"),
        (["2020-01-01T05:00+0100", "2020-01-01T06:00+0100"], "hour", "2020-01-01T07:00+0100"),
        (["2020-01-01T00:00:00.500", "2020-01-01T00:00:01.000"], "", "2020-01-01T00:00:01.500"),
        (["2020-01-01", "2020-01-01 12:00", "2020-01-02"], "", "2020-01-02 12:00:00"),
        (["2020-W52", "2020-W53"], "week", "2021-W01"),
        (["2020-W53-6", "2020-W53-7"], "day", "2021-W01-1"),
    ],
)
def test_frequencies_are_found_and_times_continued(tmp_path, times, frequency, after):
    path = tmp_path / "s.csv"
    path.write_text("when,value\n" + "".join(f"{time},{number}\n" for number, time in enumerate(times)))
    series = read_series(path, "value", "when")
    assert series.frequency == frequency
    assert future_times(series, 1) == [after]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t,v\n", "no rows"),
        ("t,v\n1,2\n2,many\n", "line 3, column 'v': 'many' is not a finite number"),
        ("t,v\n1,2\n2,inf\n", "not a finite number"),
        ("t,v\n1,2\n2,-3e160\n", "column 'v': values of up to 3.0e\\+160 are too large"),
        ("t,v\n1,2e-300\n2,0\n", "values of up to 2.0e-300 are too large or too small"),
        ("t,v\n1,2\n2,\n3,4\n", "1 values are missing, the first in data row 2"),
        ("t,v\n2,2\n1,3\n", "line 3: the time '1' comes after '2'"),
        ("t,v\nsoon,2\n1,3\n", "'soon' is not a time"),
        ("t,v\n2020-12,2\n2020-13,3\n", "'2020-13' is not a time"),
        ("t,v\n2020-00,2\n2020-01,3\n", "'2020-00' is not a time"),
        ("t,v\n1\n", "line 2 has 1 fields"),
        ("t,v\n1,2,\n2,1,234\n", "line 3 has 3 fields where the header has 2; does one hold the divider"),
        ("t,v,v\n1,2,3\n2,3,4\n", "has 2 columns named 'v'; rename all but one"),
    ],
)
def test_bad_tables_are_named_with_their_row(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_series(tmp_path / "s.csv", "v", "t")


def test_missing_values_duplicates_and_gaps_are_handled_and_told(tmp_path):
    (tmp_path / "s.csv").write_text("t,v\n1,2\n2,\n3,4\n3,5\n9,6\n")
    series = read_series(tmp_path / "s.csv", "v", "t", missing="interpolate")
    assert series.target.tolist() == [2, 3.5, 5, 6]
    assert [part in " ".join(series.notes) for part in ("rows repeat", "1 gaps", "1 missing")] == [True] * 3
    series = read_series(tmp_path / "s.csv", "v", "t", missing="last")
    assert series.target.tolist() == [2, 2, 5, 6]


def _series_of_times(path, times):
    path.write_text("t,v\n" + "".join(f"{time},{number}\n" for number, time in enumerate(times)))
    return read_series(path, "v", "t")


@pytest.mark.parametrize(
    ("times", "gaps"),
    [
        ([f"2023-{month:02d}" for month in (1, 2, 3, 5, 6, 7, 9, 10)], "2 gaps in time, the first after '2023-03'"),
        (["2023-01-31", "2023-02-28", "2023-03-31", "2023-05-31"], "1 gaps in time, the first after '2023-03-31'"),
        ([f"2024-03-{day:02d}" for day in (1, 2, 3, 4, 6, 7)], "1 gaps in time, the first after '2024-03-04'"),
        ([f"2024-03-{day:02d}" for day in (4, 5, 7, 8, 11, 12)], "1 gaps in time, the first after '2024-03-05'"),
    ],
)
def test_absent_months_and_days_are_told(tmp_path, times, gaps):
    (note,) = _series_of_times(tmp_path / "s.csv", times).notes
    assert note.startswith(gaps)


@pytest.mark.parametrize("middle", [0, 0.5])  # months by their beginnings, or by their middles
def test_months_as_years_with_two_decimals_have_a_season_and_go_on_as_they_were(tmp_path, middle):
    times = [f"{1949 + (month + middle) / 12:.2f}" for month in range(48)]
    series = _series_of_times(tmp_path / "s.csv", times[:24])
    assert (series.frequency, series.season, series.notes) == ("month", 12, ())
    assert [float(time) for time in future_times(series, 24)] == [float(time) for time in times[24:]]


def test_a_series_of_weekdays_goes_on_with_weekdays(tmp_path):
    series = _series_of_times(tmp_path / "s.csv", [f"2024-03-{day:02d}" for day in (20, 21, 22, 25, 26, 27, 28)])
    assert (series.frequency, series.season, series.notes) == ("weekday", 5, ())
    assert future_times(series, 3) == ["2024-03-29", "2024-04-01", "2024-04-02"]
    short = _series_of_times(tmp_path / "s.csv", ["2024-03-27", "2024-03-28", "2024-03-29"])  # tells of no weekend
    assert future_times(short, 1) == ["2024-03-30"]


def test_a_shop_that_is_closed_on_sundays_has_a_season_of_six_days(tmp_path):
    days = [datetime(2024, 3, 1) + timedelta(days=number) for number in range(60)]
    times = [f"{day:%Y-%m-%d}" for day in days if day.weekday() != 6]
    series = _series_of_times(tmp_path / "s.csv", times)  # until Monday 29 April
    assert (series.frequency, series.season, series.notes) == ("opening day", 6, ())
    assert future_times(series, 6)[-2:] == ["2024-05-04", "2024-05-06"]
    (gap,) = _series_of_times(tmp_path / "s.csv", [time for time in times if time != "2024-03-29"]).notes
    assert gap.startswith("1 gaps in time, the first after '2024-03-28'")
    short = _series_of_times(tmp_path / "s.csv", times[:14])  # two Sundays may be chance
    assert (short.frequency, short.season) == ("day", 7)
    most = [time for time in times if datetime.fromisoformat(time).weekday() < 5 or time == "2024-03-30"]
    assert _series_of_times(tmp_path / "s.csv", most).frequency == "day"  # open on one Saturday


@pytest.fixture
def passengers(tmp_path):
    time = np.arange(96)
    values = (100 + time) * (1 + 0.2 * np.sin(2 * np.pi * time / 12))
    rows = [f"{1950 + t // 12}-{t % 12 + 1:02d},{v:.3f}" for t, v in zip(time, values, strict=True)]
    (tmp_path / "p.csv").write_text("month,passengers\n" + "\n".join(rows) + "\n")
    return [tmp_path / "p.csv", "--time-col", "month", "--target", "passengers", "--horizon", "12"]


def test_commands_print_the_fixed_json(run, passengers, tmp_path):
    code, out, errors = run("forecast", "compare", *passengers, "--methods", "ridge,theta", "--json")
    assert code == 0, errors
    found = json.loads(out)
    assert found["horizon"] == 12
    assert {"last-value", "seasonal-naive", "ridge", "theta"} == set(found["methods"])
    assert set(found["methods"]["ridge"]) == {"mae", "mse", "rmse", "smape", "mase"}
    options = ["--methods", "drift,ridge", "--origins", "8", "--json", "--returns", "--output", tmp_path / "o.csv"]
    code, out, _ = run("forecast", "backtest", *passengers, *options)
    assert code == 0
    assert {"coverage", "mae_returns"} <= set(json.loads(out)["methods"]["ridge"])
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 1 + 8 * 12
    model = ["--model", tmp_path / "m", "--json", "--plot", tmp_path / "p.png"]
    assert run("forecast", "fit", *passengers, "--method", "ridge", "--output", tmp_path / "m")[0] == 0
    code, out, _ = run("forecast", "predict", *passengers, *model)
    assert code == 0
    rows = json.loads(out)["forecast"]
    assert [row["time"] for row in rows[:2]] == ["1958-01", "1958-02"]
    assert all(row["low"] <= row["forecast"] <= row["high"] for row in rows)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_recurrent_models_are_kept_as_folders(run, passengers, tmp_path):
    assert run("forecast", "fit", *passengers, "--method", "lstm", "--output", tmp_path / "m")[0] == 0
    first, second = (run("forecast", "predict", *passengers, "--model", tmp_path / "m", "--json")[1] for _ in range(2))
    assert first == second
    errors = stored_errors(load_forecaster(tmp_path / "m")[1])
    scale = errors.scale(read_series(passengers[0], "passengers", "month").values)
    narrow = run("forecast", "predict", *passengers, "--model", tmp_path / "m", "--json", "--interval", "0.5")[1]
    for text, share in ((first, 0.9), (narrow, 0.5)):
        values = json.loads(text)
        assert values["interval"] == share
        widths = [(row["high"] - row["low"]) / 2 for row in values["forecast"]]
        assert widths == pytest.approx(scale * interval_widths(errors, share), rel=1e-6)
    weights = tmp_path / "m" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:50])
    code, _, errors = run("forecast", "predict", *passengers, "--model", tmp_path / "m")
    assert code == 1
    assert "damaged" in errors


def test_a_kept_method_keeps_its_season(run, tmp_path):
    (tmp_path / "s.csv").write_text("y\n" + "".join(f"{n % 5}\n" for n in range(43)))
    options = [tmp_path / "s.csv", "--horizon", "5"]
    kept = [*options, "--model", tmp_path / "m", "--json"]
    assert (
        run("forecast", "fit", *options, "--method", "seasonal-naive", "--season", "5", "--output", tmp_path / "m")[0]
        == 0
    )
    _, text, _ = run("forecast", "predict", *kept)
    assert [row["forecast"] for row in json.loads(text)["forecast"]] == [3, 4, 0, 1, 2]
    assert run("forecast", "predict", *kept, "--season", "5")[1] == text
    code, _, errors = run("forecast", "predict", *kept, "--season", "7")
    assert (code, "fitted with a season of 5 steps, not 7; leave --season out" in errors) == (2, True)


def test_impossible_requests_are_one_sentence(run, passengers, tmp_path):
    (tmp_path / "one.csv").write_text("v\n1\n")
    (tmp_path / "flat.csv").write_text("v\n" + "5\n" * 50)
    assert "single value" in run("forecast", "compare", tmp_path / "one.csv", "--horizon", "1")[2]
    assert run("forecast", "compare", tmp_path / "flat.csv", "--horizon", "5", "--methods", "theta,ridge,lstm")[0] == 0
    code, _, errors = run("forecast", "compare", *passengers[:-1], "500")
    assert code == 1
    assert "too few for a horizon of 500" in errors
    assert run("forecast", "compare", *passengers, "--methods", "prophet")[0] == 2
    assert run("forecast", "compare", *passengers[:-1], "0")[0] == 2


def test_choices_without_effect_are_told(run, passengers, tmp_path):
    assert run("forecast", "fit", *passengers, "--method", "drift", "--output", tmp_path / "m")[0] == 0
    code, _, errors = run("forecast", "predict", *passengers, "--model", tmp_path / "m", "--method", "theta")
    assert (code, "leave out --method" in errors) == (2, True)
    assert run("forecast", "predict", *passengers, "--model", tmp_path / "m")[0] == 0
    (tmp_path / "two.csv").write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(40)))
    options = [tmp_path / "two.csv", "--target", "b", "--horizon", "3", "--method", "drift"]
    errors = run("forecast", "predict", *options, "--input", "a", "--season", "21")[2]
    assert "--input has no effect: of the methods only lstm, gru, segrnn use further columns" in errors
    assert "40 values do not hold two seasons of 21 steps" in errors
    assert not run("forecast", "predict", *options, "--season", "20")[2]


def test_a_forecast_without_an_interval_says_so(run, tmp_path):
    (tmp_path / "s.csv").write_text("y\n1\n2\n4\n3\n5\n")
    code, out, errors = run("forecast", "predict", tmp_path / "s.csv", "--horizon", "2", "--method", "drift")
    assert (code, out.splitlines()[1]) == (0, "1,6.0,,")
    assert "too short for drift to have past errors; the forecast has no interval" in errors


@pytest.mark.parametrize("time", ["inf", "nan", "1e300", "-1e16", "0001-01-01T00:00:00+23:59", "9" * 400])
def test_times_that_no_calendar_has_are_named_or_counted(tmp_path, time):
    (tmp_path / "s.csv").write_text(f"t,v\n1,1\n{time},2\n")
    try:
        series = read_series(tmp_path / "s.csv", "v", "t")
    except DataError as error:
        assert "line 3" in str(error)  # noqa: PT017  # either is right
    else:
        assert len(future_times(series, 2)) == 2


def test_steps_beyond_the_year_9999_are_numbered(tmp_path):
    (tmp_path / "s.csv").write_text("t,v\n9999-12-30,1\n9999-12-31,2\n")
    assert future_times(read_series(tmp_path / "s.csv", "v", "t"), 2) == ["1", "2"]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be set on this system")
@pytest.mark.parametrize(("minutes", "first"), [(60, datetime(2017, 3, 24)), (15, datetime(2017, 10, 27))])
def test_the_machines_zone_changes_no_series(tmp_path, monkeypatch, minutes, first):
    monkeypatch.setenv("TZ", "Europe/Berlin")  # summer time began on 26 March and ended on 29 October
    time.tzset()
    try:
        moments = [first + timedelta(minutes=minutes * step) for step in range(5 * 24 * 60 // minutes)]
        lines = [f"{moment},{step}\n" for step, moment in enumerate(moments)]
        (tmp_path / "s.csv").write_text("time,y\n" + "".join(lines))
        series = read_series(tmp_path / "s.csv", "y", "time")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert series.target.tolist() == list(range(len(moments)))
    assert not series.notes


def test_returns_are_relative_to_the_last_value_before_each_origin(run, tmp_path):
    values = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, 200)))
    (tmp_path / "p.csv").write_text(
        "t,y\n" + "".join(f"{step},{value!r}\n" for step, value in enumerate(values.tolist()))
    )
    options = ["--time-col", "t", "--target", "y", "--horizon", "3", "--origins", "9", "--step", "7"]
    options += ["--methods", "last-value", "--returns", "--json"]
    _, out, _ = run("forecast", "backtest", tmp_path / "p.csv", *options)
    places = [len(values) - 3 - 7 * number for number in range(9)]
    expected = np.mean([np.abs(values[place - 1] - values[place : place + 3]) / values[place - 1] for place in places])
    assert json.loads(out)["methods"]["last-value"]["mae_returns"] == pytest.approx(expected, abs=1e-5)


def test_forecasts_that_do_not_overlap_are_tested_as_independent(run, tmp_path):
    """Origins a horizon apart: Diebold and Mariano's test is then a paired t-test."""
    from scipy.stats import ttest_1samp

    values = 50 + 3 * np.sin(np.arange(260) / 2) + np.random.default_rng(2).normal(size=260)
    (tmp_path / "s.csv").write_text("y\n" + "".join(f"{value!r}\n" for value in values.tolist()))
    options = ["--horizon", "6", "--step", "6", "--origins", "10", "--methods", "ridge", "--json"]
    code, out, errors = run("forecast", "backtest", tmp_path / "s.csv", *options, "--output", tmp_path / "o.csv")
    assert code == 0, errors
    table = np.genfromtxt(tmp_path / "o.csv", delimiter=",", names=True)
    actual = values[-60:].reshape(10, 6)
    losses = {n: np.square(table[n].reshape(10, 6) - actual).mean(axis=1) for n in ("lastvalue", "ridge")}
    expected = ttest_1samp(losses["ridge"] - losses["lastvalue"], 0.0).pvalue
    (text,) = json.loads(out)["verdicts"]
    assert f"p = {expected:.3f}" in text


@pytest.mark.parametrize("length", [6, 8, 10])
def test_a_history_too_short_for_a_method_leaves_the_others(run, tmp_path, length):
    pytest.importorskip("statsforecast.models", reason="needs the extra 'forecast'")
    values = np.random.default_rng(0).normal(5, 1, length)
    (tmp_path / "s.csv").write_text("t,y\n" + "".join(f"{step},{value:.3f}\n" for step, value in enumerate(values)))
    options = [tmp_path / "s.csv", "--time-col", "t", "--target", "y", "--horizon", "2"]
    code, out, errors = run("forecast", "compare", *options, "--methods", "ets,theta,arima", "--json")
    assert code == 0, errors
    assert "theta" in json.loads(out)["methods"]
    assert "ets is left out" in errors or "ets" in json.loads(out)["methods"]
    code, _, errors = run("forecast", "predict", *options, "--method", "ets")
    assert code == 0 or "too short" in errors


@pytest.mark.parametrize("missing", ["interpolate", "last"])
def test_a_history_is_what_a_file_that_ends_there_says(tmp_path, missing):
    random = np.random.default_rng(3)
    cells = [[f"{value:.3f}" if random.random() < 0.5 else "" for value in row] for row in random.normal(size=(60, 2))]
    cells[0] = ["1", "2"]
    path = tmp_path / "s.csv"

    def read(count):
        path.write_text("v,x,w\n" + "".join(",".join([*row, "0"]) + "\n" for row in cells[:count]))
        return read_series(path, "v", None, ["x"], missing)

    whole = read(60)
    for place in range(1, 61):
        assert np.array_equal(history_at(whole.values, place, whole.filled), read(place).values), place


@pytest.mark.parametrize("missing", ["interpolate", "last"])
def test_filled_values_neither_tell_of_later_ones_nor_judge(run, tmp_path, missing):
    random = np.random.default_rng(0)
    walk = np.cumsum(random.normal(size=300))
    known = random.random(300) < 0.5
    known[0] = True
    path = tmp_path / "s.csv"
    rows = [f"{value:.6f},0\n" if here else ",0\n" for value, here in zip(walk, known, strict=True)]
    path.write_text("".join(["v,w\n", *rows]))
    squares = []
    for place in range(300 - 101, 300):
        for step in (0, 1):
            if place + 1 < 300 and known[place + step]:
                squares.append((walk[place + step] - walk[np.flatnonzero(known[:place])[-1]]) ** 2)
    options = [path, "--target", "v", "--horizon", "2", "--missing", missing, "--origins", "100", "--methods", "drift"]
    code, out, errors = run("forecast", "backtest", *options, "--json", "--interval", "0.8")
    assert (code, "values to forecast are missing" in errors) == (0, True)
    judged = json.loads(out)["methods"]["last-value"]
    assert judged["mse"] == pytest.approx(np.mean(squares), rel=1e-5)
    assert 0.7 < judged["coverage"] < 0.9


def test_missing_errors_count_as_those_that_were_never_made():
    random = np.random.default_rng(1)
    scaled, origins = np.abs(random.normal(size=(30, 3))), np.arange(30)
    some = random.random(30) < 0.6
    few = interval_widths(PastErrors(scaled[some], origins[some], 8.0, 0.0), 0.8)
    assert (
        interval_widths(PastErrors(np.where(some[:, None], scaled, np.nan), origins, 8.0, 0.0), 0.8).tolist()
        == few.tolist()
    )
    scaled[:, 1] = np.nan
    assert np.isnan(interval_widths(PastErrors(scaled, origins, 8.0, 0.0), 0.8)).tolist() == [False, True, False]
