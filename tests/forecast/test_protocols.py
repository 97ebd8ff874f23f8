"""The protocols of papers: long horizons over all windows, many series at once."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from asr.errors import ConfigError, DataError
from asr.forecast.global_models import forecast_all
from asr.forecast.panel import Panel, evaluate, read_m3, read_m4
from asr.forecast.recurrent import RecurrentConfig, RecurrentNetwork, train_network, window_config
from asr.forecast.series import column_names, read_series
from asr.forecast.windows import Parts, divide
from asr.forecast.windows import evaluate as evaluate_windows
from asr.train.log import EpochLog


def _table(steps=600, columns=2, seed=0):
    random = np.random.default_rng(seed)
    time = np.arange(steps)[:, None]
    return 5 + np.sin(2 * np.pi * (time + 3 * np.arange(columns)) / 12) + 0.1 * random.normal(size=(steps, columns))


def test_windows_are_cut_as_the_literature_cuts_them():
    parts = divide(np.random.default_rng(0).normal(size=(17420, 7)), (8640, 2880, 2880), 96, 96)
    assert (len(parts.train), len(parts.held), len(parts.test)) == (8449, 2785, 2785)
    left, right = parts.windows(parts.test)
    assert left.shape == right.shape == (7 * 2785, 96)
    first = parts.values[:, 8640 + 2880 - 96 :]
    assert np.array_equal(left[0], first[0, :96])
    assert np.array_equal(right[0], first[0, 96:192])
    assert np.array_equal(right[-1], parts.values[-1, 14400 - 96 : 14400])


def test_scaling_knows_the_training_part_alone():
    values = _table()
    planted = values.copy()
    planted[400:] += 1000  # what a scaler fitted on everything would let leak
    clean, leaky = (divide(table, (300, 100, 100), 24, 12) for table in (values, planted))
    assert np.array_equal(clean.values[:, :400], leaky.values[:, :400])
    assert clean.values[:, :300].mean(axis=1) == pytest.approx([0, 0], abs=1e-12)
    assert clean.values[:, :300].std(axis=1) == pytest.approx([1, 1])


def test_what_is_learned_does_not_see_the_test_part():
    values = _table()
    strange = values.copy()
    strange[420:] = 0
    one, two = (
        evaluate_windows(divide(table, (300, 100, 100), 24, 12), ["ridge", "nlinear"], 12)
        for table in (values, strange)
    )
    for left, right in zip(one, two, strict=True):
        assert left.squared[0] == right.squared[0]  # the first window ends before what was changed
        assert left.squared[-1] != right.squared[-1]


def test_window_errors_are_those_of_definitions_and_methods_rank_as_they_must():
    parts = divide(_table(), (300, 100, 100), 24, 12)
    found = {e.name: e for e in evaluate_windows(parts, ["last-value", "seasonal-naive", "nlinear", "average"], 12)}
    left, right = parts.windows(parts.test)
    assert found["last-value"].mse == pytest.approx(np.square(right - left[:, -1:]).mean())
    assert found["seasonal-naive"].mae == pytest.approx(np.abs(right - left[:, -12:]).mean())
    assert found["nlinear"].mse < found["seasonal-naive"].mse < found["last-value"].mse
    assert found["average"].mse == pytest.approx(found["nlinear"].mse)
    with pytest.raises(ConfigError, match="there are none"):
        evaluate_windows(parts, ["last-value", "average"], 12)
    with pytest.raises(ConfigError, match="unknown method 'magic'"):
        evaluate_windows(parts, ["magic"], 12)


def test_segments_learn_a_table_of_seasons():
    parts = divide(_table(400), (260, 70, 70), 24, 12)
    found = {e.name: e for e in evaluate_windows(parts, ["last-value", "segrnn"], 12)}
    assert found["segrnn"].mse < 0.2 * found["last-value"].mse


def test_a_network_knows_the_series_that_a_window_is_of():
    """Windows that are alike in all series, what follows them is not: only an embedding of the series can tell."""
    random = np.random.default_rng(3)
    steps = 320
    noise = 0.02 * random.normal(size=(steps, 2))
    values = noise + np.where(np.arange(steps)[:, None] % 16 < 8, 0.0, [[1.0, -1.0]])
    parts = divide(values, (200, 60, 60), 8, 8)
    quiet = Parts(parts.values, *(starts[starts % 16 == 0] for starts in (parts.train, parts.held, parts.test)), 8, 8)
    plain, found = evaluate_windows(quiet, ["segrnn", "segrnn-columns"], 4)
    assert found.mse < 0.2 * plain.mse
    config = window_config("segrnn", 8, 8, 4, 100, 2, 1)
    assert (config.series, config.embedding_scale, config.squared) == (2, 1.0, True)
    assert not window_config("segrnn", 8, 8, 4, 100, 0, 1).squared
    with pytest.raises(ConfigError, match="segment above 1"):
        RecurrentConfig(series=2)


def test_a_network_trained_by_the_squared_error_forecasts_the_mean_by_the_absolute_one_the_median():
    random = np.random.default_rng(5)
    values = (random.random((1500, 1)) < 0.3).astype(float)  # 0 or 1, neither can be foreseen
    train, held = np.arange(1000), np.arange(1100, 1400)
    config = RecurrentConfig("gru", 4, hidden_size=8, dropout=0.0, batch=64, steps=120, epochs=3, learning_rate=2e-2)
    windows = torch.from_numpy(np.stack([values[start : start + 8] for start in held])).float()
    after = np.stack([values[start + 8 : start + 12, 0] for start in held])
    for squared, expected in ((False, 0.0), (True, 0.3)):
        logs = []
        network = train_network(replace(config, squared=squared), values, train, held, 8, 4, logs.append)
        with torch.inference_mode():
            forecasts = network(windows).double().numpy()
        assert np.median(forecasts) == pytest.approx(expected, abs=0.1)
        gaps = forecasts - after
        best = min(log.figures["loss_held_out"] for log in logs if isinstance(log, EpochLog))
        assert best == pytest.approx((np.square(gaps) if squared else np.abs(gaps)).mean(), rel=1e-4)


@pytest.mark.parametrize("scale", [0.02, 1.0])
def test_embeddings_begin_with_the_deviation_asked_for(scale):
    torch.manual_seed(1)
    config = RecurrentConfig("gru", 2, hidden_size=64, series=40, embedding_scale=scale)
    network = RecurrentNetwork(config, 1, 8, 80)
    assert network.places.shape == network.series.shape == (40, 32)
    for embedding in (network.places, network.series):
        assert embedding.std().item() == pytest.approx(scale, rel=0.1)
    with pytest.raises(ConfigError, match="embedding_scale must be above 0"):
        replace(config, embedding_scale=0.0)


def test_the_last_value_on_etth1_has_the_published_error(data):
    path = data / "series" / "ett" / "ETTh1.csv"
    names = column_names(path, "date")
    parts = divide(read_series(path, names[0], "date", names[1:]).values, (8640, 2880, 2880), 96, 96)
    (found,) = evaluate_windows(parts, ["last-value"], 24)
    assert (round(found.mse, 3), round(found.mae, 3)) == (1.294, 0.713)  # 1.295 with dropped batches (Zeng et al. 2023)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [((500, 100, 100), "fewer than the 700"), ((30, 100, 100), "too short"), ((300, 5, 100), "short")],
)
def test_impossible_splits_are_named(sizes, message):
    with pytest.raises(DataError, match=message):
        divide(_table(), sizes, 24, 12)


def _panel(number=20, steps=100, season=6, horizon=6, seed=1):
    """Series of one kind in other sizes: what one has learned helps the next."""
    random = np.random.default_rng(seed)
    time = np.arange(steps + horizon)
    histories, actual = [], []
    for _ in range(number):
        level, phase = np.exp(random.uniform(0, 5)), random.integers(0, season)
        shape = 1 + 0.4 * np.sin(2 * np.pi * (time + phase) / season) + 0.002 * time
        values = level * shape * np.exp(0.02 * random.normal(size=len(time)))
        histories.append(values[:steps])
        actual.append(values[steps:])
    return Panel([str(place) for place in range(number)], histories, actual, horizon, season)


@pytest.mark.parametrize("name", ["hybrid", "global-ridge"])
def test_one_model_for_all_series_beats_each_on_its_own(name):
    panel = _panel()
    naive, found = evaluate(panel, [name])
    assert (naive.name, naive.owa) == ("naive2", 1.0)
    assert found.owa < 0.9
    assert found.forecasts.shape == (20, 6)


def test_global_models_do_not_depend_on_the_unit_of_a_series():
    panel = _panel(8)
    plain = forecast_all("global-ridge", panel.histories, 6, 6)
    scaled = forecast_all("global-ridge", [1000 * history for history in panel.histories], 6, 6)
    assert scaled == pytest.approx(1000 * plain, rel=1e-6)
    with pytest.raises(DataError, match="above zero"):
        forecast_all("hybrid", [np.zeros(50)], 6, 1)


def test_combinations_are_of_the_methods_before_them_without_the_naive_ones():
    panel = _panel(5)
    found = {r.name: r for r in evaluate(panel, ["seasonal-naive", "theta", "drift", "ets", "average", "median"])}
    parts = [found[name].forecasts for name in ("theta", "drift", "ets")]
    assert np.array_equal(found["average"].forecasts, np.mean(parts, axis=0))
    assert np.array_equal(found["median"].forecasts, np.median(parts, axis=0))
    with pytest.raises(ConfigError, match="there are none"):
        evaluate(panel, ["seasonal-naive", "median"])
    with pytest.raises(ConfigError, match="unknown method 'oracle'"):
        evaluate(panel, ["oracle"])


def test_methods_may_look_for_a_season_that_errors_are_not_scaled_by():
    panel = _panel(10, steps=160, season=30, horizon=12)
    plain = Panel(panel.ids, panel.histories, panel.actual, 12, 1)
    told = Panel(panel.ids, panel.histories, panel.actual, 12, 1, cycle=30)
    names = ["theta", "ets", "global-ridge"]
    for without, with_it in zip(evaluate(plain, names)[1:], evaluate(told, names)[1:], strict=True):
        assert with_it.owa < 0.7 * without.owa, with_it.name
    assert np.array_equal(evaluate(plain, [])[0].forecasts, evaluate(told, [])[0].forecasts)  # Naive2 looks for none
    assert told.held_out().cycle == 30


def test_series_too_short_for_any_window_are_named():
    with pytest.raises(DataError, match="too short to learn a horizon of 6"):
        forecast_all("global-ridge", [np.arange(1.0, 14.0)] * 3, 6, 1)


def test_held_out_ends_are_taken_from_the_histories():
    panel = _panel(3)
    held = panel.held_out()
    for before, history, actual in zip(panel.histories, held.histories, held.actual, strict=True):
        assert np.array_equal(np.concatenate([history, actual]), before)


def test_series_too_short_to_hold_values_out_are_told(run, tmp_path):
    (tmp_path / "m.csv").write_text("id,values\nA,1,2,3,4,5,6\nB,1,2,3\n")
    options = ["forecast", "many", tmp_path / "m.csv", "--horizon", "2", "--methods", "theta", "--held-out"]
    code, out, errors = run(*options)
    assert (code, out.splitlines()[0]) == (0, "1 series, horizon 2, season 1")
    assert "1 of 2 series are too short to hold 2 values out; left out" in errors
    code, _, errors = run(*options, "--held-out")
    assert (code, "all series are too short to hold 2 values out" in errors) == (1, True)


@pytest.mark.parametrize("name", ["ets", "ces", "dotm"])
def test_series_that_a_model_refuses_are_forecast_by_naive2_and_told(name):
    pytest.importorskip("statsforecast.models", reason="needs the extra 'forecast'")
    long = 50 + np.cumsum(np.random.default_rng(0).normal(size=30))
    short = [np.array([3.0, 4.0]), np.array([3.0, 4.0, 4.5, 5.0])]
    notes: list[str] = []
    found = evaluate(Panel(["A", "B", "C"], [*short, long], [np.ones(2)] * 3, 2, 1), [name], note=notes.append)
    assert found[1].forecasts[0].tolist() == [4, 4]
    replaced = [line for line in notes if line.startswith(f"{name} cannot be fitted to ")]
    assert len(replaced) == 1
    assert replaced[0].endswith("of 3 series; naive2 forecasts them")


def test_competition_files_are_read_and_their_faults_named(tmp_path):
    train, test = tmp_path / "train.csv.gz", tmp_path / "test.csv"
    train.write_bytes(gzip.compress(b'"V1","V2","V3","V4"\n"A","1","2","3"\n"B","4","5",\n'))
    test.write_text("V1,V2,V3\nA,4,5\nB,6,7\n")
    panel = read_m4(train, test, 1)
    assert [history.tolist() for history in panel.histories] == [[1, 2, 3], [4, 5]]
    assert ([after.tolist() for after in panel.actual], panel.horizon) == ([[4, 5], [6, 7]], 2)
    for text, message in (("V1,V2\nA,4\n", "ids differ"), ("V1,V2,V3\nA,4,x\nB,1,2\n", "line 2.*'x'"), ("", "empty")):
        test.write_text(text)
        with pytest.raises(DataError, match=message):
            read_m4(train, test, 1)
    test.write_text("V1,V2,V3\nA,4,5\nB,6,\n")
    with pytest.raises(DataError, match="series B has 1 values, fewer than the 2 forecast"):
        read_m4(train, test, 1)
    assert [after.tolist() for after in read_m4(train, test, 1, horizon=1).actual] == [[4], [6]]
    test.write_text("V1,V2,V3\nA,4,5\nB,6,7\nA,1,2\n")
    with pytest.raises(DataError, match="line 4: the series A is repeated"):
        read_m4(train, test, 1)
    with pytest.raises(ConfigError, match="`horizon`"):
        read_m4(train, None, 1)
    with pytest.raises(DataError, match="not the table of M3"):
        read_m3(train, "YEARLY")
    table = tmp_path / "m3.csv"
    table.write_text("sn,period,frequency,h,split,values\nN1,OTHER,1,2,train,1;2;3\nN1,OTHER,1,2,test,4;5\n")
    assert read_m3(table, "OTHER").histories[0].tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="no series of period 'DAILY'; it has OTHER"):
        read_m3(table, "DAILY")


def test_the_commands_print_and_write_what_they_found(run, tmp_path):
    panel = _panel(6, 60)
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    for path, rows in ((train, panel.histories), (test, panel.actual)):
        lines = [",".join([name, *map(str, row)]) for name, row in zip(panel.ids, rows, strict=True)]
        path.write_text("\n".join(["id,values", *lines]) + "\n")
    options = ("--season", 6, "--methods", "seasonal-naive,theta", "--json", "--output", tmp_path / "out")
    code, out, errors = run("forecast", "many", train, "--test", test, *options)
    assert code == 0, errors
    shown = json.loads(out)
    assert set(shown["methods"]) == {"naive2", "seasonal-naive", "theta"}
    written = gzip.decompress((tmp_path / "out" / "theta.csv.gz").read_bytes()).decode().splitlines()
    assert len(written) == 7
    assert float(written[1].split(",")[1]) == pytest.approx(evaluate(panel, ["theta"])[1].forecasts[0, 0], rel=1e-5)
    assert run("forecast", "many", train, "--horizon", 3, "--methods", "theta")[0] == 0  # nothing to judge by
    for path, row in ((train, "A,5,5,5,5,5,5"), (test, "A,5,5")):
        path.write_text(f"id,values\n{row}\n")
    code, out, errors = run("forecast", "many", train, "--test", test, "--methods", "theta", "--json")
    assert code == 0, errors
    assert json.loads(out)["methods"]["theta"] == {"smape": 0.0, "mase": None, "owa": None}
    series = tmp_path / "table.csv"
    series.write_text("day,a,b\n" + "\n".join(f"{day},{a},{b}" for day, (a, b) in enumerate(_table(400))) + "\n")
    options = ("--time-col", "day", "--look-back", 24, "--horizon", 12, "--methods", "last-value,ridge", "--json")
    code, out, errors = run("forecast", "windows", series, "--split", "200,100,100", *options)
    assert code == 0, errors
    assert json.loads(out)["windows"] == 89
    code, _, errors = run("forecast", "windows", series, "--split", "200,100", *options)
    assert (code, "three numbers" in errors) == (2, True)
