"""Recurrent forecasters on the project's stack: LSTM, GRU, and segments of a window (SegRNN)."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import linear

from asr.errors import ConfigError, DataError
from asr.forecast.linear import choose_look_back
from asr.nn import Dropout, Recurrent
from asr.train.config import TrainConfig
from asr.train.log import Report, SpeedUnit
from asr.train.loop import Trainer

Floats = NDArray[np.float64]

SMALLEST_SCALE = 1e-9  # of a column relative to its largest value; below it, a column is constant
VALIDATED = 1024  # windows at once
LEAST_STEPS, MOST_PASSES = 100, 20  # of training: steps, and passes over the windows
HELD_OUT = 0.15  # of the windows, the last ones, that choose the epoch


@dataclass(frozen=True)
class RecurrentConfig:
    """Sizes and training of a recurrent forecaster."""

    kind: str = "lstm"  # of the stack
    segment: int = 1  # values of a step; above 1 the forecast is made segment by segment (Lin et al. 2023, SegRNN)
    look_back: int = 0  # 0: chosen by season and horizon
    hidden_size: int = 48
    num_layers: int = 1
    dropout: float = 0.1
    centre_steps: int = 1  # number of last values whose mean is subtracted from a window
    series: int = 0  # that one network forecasts, each with an embedding of its own (Lin et al. 2023); 0: without
    embedding_scale: float = 0.02  # deviation of the first values of the embeddings of places and series
    squared: bool = False  # train and choose the epoch by the squared error, not the absolute one
    batch: int = 64  # windows
    steps: int = 1200  # of training, whatever the number of windows
    epochs: int = 12  # parts of the steps, each validated
    learning_rate: float = 3e-3
    seed: int = 1

    def __post_init__(self) -> None:
        if self.segment < 1 or self.centre_steps < 1:
            raise ConfigError("segment and centre_steps must be at least 1.")
        if self.embedding_scale <= 0:
            raise ConfigError("embedding_scale must be above 0.")
        if self.series and self.segment == 1:
            raise ConfigError("embeddings of series need a segment above 1.")


class RecurrentNetwork(nn.Module):
    """Windows (batch, look_back, columns) to forecasts of the first column (batch, horizon).

    With `config.series`, each window comes with the number of its series (batch,).
    """

    def __init__(self, config: RecurrentConfig, columns: int, look_back: int, horizon: int) -> None:
        super().__init__()
        self.config, self.horizon, self.look_back = config, horizon, look_back
        size = config.hidden_size
        width = columns * config.segment
        self.enter = nn.Linear(width, size) if config.segment > 1 else nn.Identity()
        self.recurrent = Recurrent(
            config.kind, size if config.segment > 1 else width, size, config.num_layers, dropout=config.dropout
        )
        self.dropout = Dropout(config.dropout)
        if config.segment > 1:
            own = size // 2 if config.series else 0  # of a query, for the series; the rest is for the place
            scale = config.embedding_scale
            self.places = nn.Parameter(scale * torch.randn(-(-horizon // config.segment), size - own))
            self.series = nn.Parameter(scale * torch.randn(config.series, own)) if own else None
            self.leave = nn.Linear(self.recurrent.output_size, config.segment)
        else:
            self.leave = nn.Linear(self.recurrent.output_size, horizon)

    def forward(self, windows: Tensor, series: Tensor | None = None) -> Tensor:
        centre = windows[:, -self.config.centre_steps :].mean(dim=1, keepdim=True)
        values = windows - centre
        changes = self._segments(values, series) if self.config.segment > 1 else self._direct(values)
        return changes + centre[:, :, 0]

    def _direct(self, values: Tensor) -> Tensor:
        """The whole horizon (batch, horizon) from the last output."""
        outputs, _ = self.recurrent(values, return_states=False)
        forecasts: Tensor = self.leave(self.dropout(outputs[:, -1]))
        return forecasts

    def _segments(self, values: Tensor, series: Tensor | None) -> Tensor:
        """The horizon (batch, horizon) in segments, all decoded at once from the state after the last one encoded."""
        batch, size = len(values), self.config.segment
        missing = -values.shape[1] % size
        if missing:
            values = torch.cat([values[:, :1].expand(-1, missing, -1), values], dim=1)
        steps = torch.relu(self.enter(values.reshape(batch, -1, size * values.shape[2])))
        _, states = self.recurrent(steps)
        assert states is not None
        if self.config.kind == "gru" and self.config.num_layers == 1:
            decoded = self._gru_step_of_every_query(states[0][0], series)
            segments: Tensor = self.leave(self.dropout(decoded)).reshape(batch, -1)
            return segments[:, : self.horizon]
        count = len(self.places)
        spread = tuple(state.repeat_interleave(count, dim=1) for state in states)
        queries = self.places.repeat(batch, 1)
        if self.series is not None:
            assert series is not None
            queries = torch.cat([queries, self.series[series].repeat_interleave(count, dim=0)], dim=1)
        outputs, _ = self.recurrent(queries[:, None], states=spread, return_states=False)
        segments = self.leave(self.dropout(outputs[:, 0])).reshape(batch, count * size)
        return segments[:, : self.horizon]

    def _gru_step_of_every_query(self, hidden: Tensor, series: Tensor | None) -> Tensor:
        """The outputs (batch, segments, size) of one step from the state `hidden` (batch, size), a query a segment.

        All queries of a window meet the same state: the products with it are made once, not once a segment, and each
        place and each series is multiplied once, not once a window (`asr.nn.cells.gru_step` has the equations).
        """
        layer = self.recurrent.forwards[0]
        weights, recurrent = layer.get_parameter("weight_ih_l0"), layer.get_parameter("weight_hh_l0")
        own = self.places.shape[1]
        place = linear(self.places, weights[:, :own])  # (segments, 3 * size)
        fixed: Tensor = layer.get_parameter("bias_ih_l0")
        if self.series is not None:
            assert series is not None
            fixed = linear(self.series, weights[:, own:], fixed)[series]  # (batch, 3 * size)
        size = hidden.shape[1]
        recalled = linear(hidden, recurrent, layer.get_parameter("bias_hh_l0"))
        start = (fixed + recalled)[:, : 2 * size]
        gates = torch.sigmoid(place[None, :, : 2 * size] + start[:, None])
        reset, update = gates.split(size, dim=-1)
        entry = place[None, :, 2 * size :] + fixed.expand(len(hidden), -1)[:, None, 2 * size :]
        new = torch.tanh(torch.addcmul(entry, reset, recalled[:, None, 2 * size :]))
        return torch.lerp(new, hidden[:, None].expand_as(new), update)


@dataclass
class _WindowTask:
    """Windows of one or many series, as a task for the training loop."""

    model: RecurrentNetwork
    values: Tensor  # (time, columns), scaled; many series one after another
    train: NDArray[np.int64]  # (windows,): first steps
    held: NDArray[np.int64]  # those that validate
    config: RecurrentConfig
    metric: str = "loss_held_out"
    speed_unit = SpeedUnit("windows", "windows_per_second", "windows a second")

    def plan(self, epoch: int) -> list[NDArray[np.int64]]:
        random = np.random.default_rng([self.config.seed, epoch])
        wanted = max(1, self.config.steps // self.config.epochs) * self.config.batch
        rounds = [random.permutation(self.train) for _ in range(-(-wanted // len(self.train)))]
        return list(np.concatenate(rounds)[:wanted].reshape(-1, self.config.batch))

    def prepare(self, plan: NDArray[np.int64], epoch: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """Windows with what follows them (batch, look_back + horizon, columns), and the numbers of their series."""
        length = self.model.look_back + self.model.horizon
        first = torch.from_numpy(plan)
        windows = self.values[first[:, None] + torch.arange(length)].to(device)
        if not self.config.series:
            return windows, None
        return windows, (first // (len(self.values) // self.config.series)).to(device)

    def loss(self, batch: tuple[Tensor, Tensor | None]) -> tuple[Tensor, dict[str, float]]:
        """The mean absolute error of the scaled target, or with `config.squared` its mean squared error."""
        windows, series = batch
        left, right = windows[:, : self.model.look_back], windows[:, self.model.look_back :, 0]
        gaps = right - self.model(left, series)
        return (gaps.square() if self.config.squared else gaps.abs()).mean(), {"windows": float(len(windows))}

    def validate(self, device: torch.device) -> dict[str, float]:
        parts = [self.held[first : first + VALIDATED] for first in range(0, len(self.held), VALIDATED)]
        losses = [float(self.loss(self.prepare(part, 0, device))[0]) * len(part) for part in parts]
        return {self.metric: sum(losses) / len(self.held)}


def train_network(
    config: RecurrentConfig,
    values: Floats,
    train: NDArray[np.int64],
    held: NDArray[np.int64],
    look_back: int,
    horizon: int,
    report: Report | None = None,
) -> RecurrentNetwork:
    """A network trained on the windows of `values` (time, columns) that begin at the steps `train`.

    The windows that begin at `held` choose the epoch. With `config.series`, `values` holds so many series of one
    length, one after another.
    """
    torch.manual_seed(config.seed)
    network = RecurrentNetwork(config, values.shape[1], look_back, horizon)
    task = _WindowTask(network, torch.from_numpy(values).float(), train, held, config)
    settings = TrainConfig(
        epochs=config.epochs, peak_lr=config.learning_rate, average=1, checkpoint_seconds=1e9, seed=config.seed,
        patience=max(3, config.epochs // 3), device="cpu", weight_decay=1e-4, threads=1,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        Trainer(task, settings, Path(folder), report).run()
    return network.eval()


class RecurrentForecaster:
    """A `RecurrentNetwork` trained on the windows of a history."""

    def __init__(self, config: RecurrentConfig, name: str = "") -> None:
        self.config, self.name = config, name or config.kind
        self.network: RecurrentNetwork | None = None
        self._centre, self._scale = np.zeros(1), np.ones(1)

    def fit(self, history: Floats, horizon: int, season: int) -> None:
        """Train on `history` (time, columns). Raises DataError for a history too short for a few windows."""
        look_back = self.config.look_back or choose_look_back(len(history), horizon, season)
        if look_back < 1 or len(history) < look_back + horizon + 1:
            raise DataError(f"{len(history)} values are too few for a horizon of {horizon}; shorten it.")
        scale = history.std(axis=0)
        varied = scale > SMALLEST_SCALE * np.abs(history).max(axis=0)
        self._centre, self._scale = history.mean(axis=0), np.where(varied, scale, 1.0)
        starts = np.arange(len(history) - look_back - horizon + 1)
        # The latest windows choose the epoch; those whose targets overlap them are not trained on.
        held = max(1, int(HELD_OUT * len(starts)))
        train = starts[: max(1, len(starts) - held - horizon)]
        self.network = train_network(self.config, self._scaled(history), train, starts[-held:], look_back, horizon)

    def _scaled(self, history: Floats) -> Floats:
        return np.asarray((history - self._centre) / self._scale)

    def forecast(self, history: Floats) -> Floats:
        """The target (horizon,) after `history`."""
        assert self.network is not None
        window = torch.from_numpy(self._scaled(history[-self.network.look_back :])).float()[None]
        with torch.inference_mode():
            values = self.network.eval()(window)[0].double().numpy()
        return np.asarray(values * self._scale[0] + self._centre[0])

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The tensors and values that `restore` takes."""
        assert self.network is not None
        values = {
            "centre": self._centre.tolist(), "scale": self._scale.tolist(), "horizon": self.network.horizon,
            "look_back": self.network.look_back,
        }  # fmt: skip
        return self.network.state_dict(), values

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Load what `state` returned."""
        self._centre, self._scale = np.array(values["centre"]), np.array(values["scale"])
        self.network = RecurrentNetwork(self.config, len(self._centre), values["look_back"], values["horizon"])
        self.network.load_state_dict(tensors)


def training_steps(windows: int, batch: int, most: int) -> int:
    """The number of training steps: at most `most`, fewer if that would repeat the windows too often."""
    return int(min(most, max(LEAST_STEPS, MOST_PASSES * windows / batch)))


def window_config(
    name: str, look_back: int, horizon: int, season: int, windows: int, series: int, seed: int
) -> RecurrentConfig:
    """Settings for the many windows of long series; `series` above 0 are those that segrnn has embeddings of.

    Raises ConfigError for a name other than lstm, gru and segrnn.
    """
    # With embeddings as in the official script for windows of 96: drawn from N(0, 1), the loss squared.
    steps = training_steps(windows, 256, 600 if series else 2400)
    if name == "segrnn":
        segment = max(2, min(season, look_back, horizon) if season > 1 else min(12, look_back, horizon))
        return RecurrentConfig(
            "gru",
            segment,
            series=series,
            embedding_scale=1.0 if series else 0.02,
            squared=series > 0,
            hidden_size=256,
            dropout=0.5,
            batch=256,
            steps=steps,
            epochs=6 if series else 12,
            learning_rate=1e-3,
            seed=seed,
        )
    if name in ("lstm", "gru"):
        return RecurrentConfig(
            name, hidden_size=64, dropout=0.2, batch=256, steps=steps, epochs=12, learning_rate=2e-3, seed=seed
        )
    raise ConfigError(f"unknown recurrent method '{name}'; known: lstm, gru, segrnn.")
