"""Fitted forecasters as folders: config.json, and model.safetensors where a method has learned numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asr.config import from_dict, to_dict
from asr.errors import CheckpointError, ConfigError
from asr.forecast.choose import make
from asr.forecast.methods import Forecaster
from asr.forecast.series import Series
from asr.model_folder import read_config, write_config

TYPE = "forecaster"


def save_forecaster(folder: Path, method: Forecaster, series: Series, horizon: int, season: int) -> None:
    """Write a fitted method; those without learned numbers are fitted anew to the data they are given later."""
    folder.mkdir(parents=True, exist_ok=True)
    values: dict[str, Any] = {
        "method": method.name, "horizon": horizon, "season": season, "columns": list(series.columns),
    }  # fmt: skip
    if hasattr(method, "state"):
        from asr.train.checkpoint import write_tensors

        tensors, numbers = method.state()
        write_tensors(folder / "model.safetensors", tensors)
        values |= {"network": to_dict(method.config), "numbers": numbers}  # type: ignore[attr-defined]
    write_config(folder, TYPE, values)


def load_forecaster(folder: Path) -> tuple[Forecaster, dict[str, Any]]:
    """The method and what it was fitted with (method, horizon, season, columns). Raises CheckpointError."""
    values = read_config(folder, TYPE)
    try:
        if "network" not in values:
            return make([values["method"]], values["horizon"])[0], values
        from asr.forecast.recurrent import RecurrentConfig, RecurrentForecaster
        from asr.train.checkpoint import read_tensors

        found = RecurrentForecaster(from_dict(RecurrentConfig, values["network"]), values["method"])
        found.restore(read_tensors(folder / "model.safetensors"), values["numbers"])
    except (KeyError, ConfigError, RuntimeError) as error:
        raise CheckpointError(f"{folder} cannot be loaded ({error}); fit it again.") from None
    return found, values
