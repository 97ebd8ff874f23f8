"""Fitted forecasters as folders: config.json, and model.safetensors for a method with weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.config import from_dict, to_dict
from asr.errors import CheckpointError, ConfigError
from asr.forecast.choose import make
from asr.forecast.intervals import PastErrors
from asr.forecast.methods import Forecaster, TrainedForecaster
from asr.forecast.series import Series
from asr.model_folder import read_config, write_config

TYPE = "forecaster"
PAST_ERRORS = "scaled_errors"
# Settings of the first edition with the only values that its commands gave them.
RETIRED: tuple[tuple[str, Any], ...] = (("normalize", "last"), ("quantiles", []), ("loss", "mae"))


def save_forecaster(
    folder: Path, method: Forecaster, series: Series, horizon: int, season: int, errors: PastErrors | None = None
) -> None:  # fmt: skip
    """Write a fitted method, one with weights with its past errors for intervals.

    A method without weights is stored by name and fitted again when it is used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    values: dict[str, Any] = {
        "method": method.name, "horizon": horizon, "season": season, "columns": list(series.columns),
    }  # fmt: skip
    if isinstance(method, TrainedForecaster):
        from asr.train.checkpoint import write_tensors

        tensors, numbers = method.state()
        write_tensors(folder / "model.safetensors", tensors)
        values |= {"network": to_dict(method.config), "numbers": numbers}
        if errors is not None:
            values[PAST_ERRORS] = {
                "origins": errors.origins.tolist(), "errors": _without_nan(errors.scaled),
                "half_life": errors.half_life, "least_scale": errors.least_scale,
            }  # fmt: skip
    write_config(folder, TYPE, values)


def _without_nan(rows: NDArray[np.float64]) -> list[list[float | None]]:
    """The values as JSON has them, None for NaN."""
    return [[None if math.isnan(value) else value for value in row] for row in rows.tolist()]


def load_forecaster(folder: Path) -> tuple[Forecaster, dict[str, Any]]:
    """The method, and what it was fitted with (method, horizon, season, columns).

    Raises CheckpointError if something is missing, damaged, or does not fit.
    """
    values = read_config(folder, TYPE)
    try:
        if "network" not in values:
            return make([values["method"]], values["horizon"])[0], values
        from asr.forecast.recurrent import RecurrentConfig, RecurrentForecaster
        from asr.train.checkpoint import read_tensors

        settings = {key: value for key, value in values["network"].items() if (key, value) not in RETIRED}
        forecaster = RecurrentForecaster(from_dict(RecurrentConfig, settings), values["method"])
        forecaster.restore(read_tensors(folder / "model.safetensors"), values["numbers"])
    except (KeyError, ConfigError, RuntimeError) as error:
        raise CheckpointError(f"{folder} cannot be loaded ({error}); fit it again.") from None
    return forecaster, values


def stored_errors(values: dict[str, Any]) -> PastErrors | None:
    """The past errors of what `load_forecaster` returned; None if the folder has none."""
    stored = values.get(PAST_ERRORS)
    if stored is None:
        return None
    rows = np.array(stored["errors"], np.float64).reshape(-1, values["horizon"])  # None becomes NaN
    return PastErrors(rows, np.array(stored["origins"], np.int64), stored["half_life"], stored["least_scale"])
