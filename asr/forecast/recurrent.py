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

from asr.errors import ConfigError, DataError
from asr.forecast.linear import choose_look_back, window_starts
from asr.nn import Dropout, Recurrent
from asr.train.config import TrainConfig
from asr.train.log import Report, SpeedUnit
from asr.train.loop import Trainer

Floats = NDArray[np.float64]

SMALLEST_SCALE = 1e-6
VALIDATED = 1024  # windows at once
LEAST_STEPS, MOST_PASSES = 100, 20  # of training
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
    normalize: str = "last"  # a window's values less its last ones, or by its mean and deviation (Kim et al. 2022): std
    centre_steps: int = 1  # last values whose mean is taken off
    quantiles: tuple[float, ...] = ()  # forecast these too; the loss is then the quantile loss
    loss: str = "mae"  # or mse
    batch: int = 64  # windows
    steps: int = 1200  # of training, whatever the number of windows
    epochs: int = 12  # parts of the steps, each validated
    learning_rate: float = 3e-3
    seed: int = 1

    def __post_init__(self) -> None:
        if self.normalize not in ("last", "std"):
            raise ConfigError(f"normalize must be last or std, not '{self.normalize}'.")
        if self.loss not in ("mae", "mse"):
            raise ConfigError(f"loss must be mae or mse, not '{self.loss}'.")
        if self.segment < 1 or any(not 0 < quantile < 1 for quantile in self.quantiles):
            raise ConfigError("segment must be 1 or more and quantiles lie between 0 and 1.")


class RecurrentNetwork(nn.Module):
    """Windows (batch, look_back, columns) to forecasts of the first column (batch, horizon, outputs)."""

    def __init__(self, config: RecurrentConfig, columns: int, look_back: int, horizon: int) -> None:
        super().__init__()
        self.config, self.horizon, self.look_back = config, horizon, look_back
        self.outputs = len(config.quantiles) or 1
        size = config.hidden_size
        width = columns * config.segment
        self.enter = nn.Linear(width, size) if config.segment > 1 else nn.Identity()
        self.recurrent = Recurrent(
            config.kind, size if config.segment > 1 else width, size, config.num_layers, dropout=config.dropout
        )
        self.dropout = Dropout(config.dropout)
        if config.segment > 1:
            self.places = nn.Parameter(0.02 * torch.randn(-(-horizon // config.segment), size))
            self.leave = nn.Linear(self.recurrent.output_size, config.segment * self.outputs)
        else:
            self.leave = nn.Linear(self.recurrent.output_size, horizon * self.outputs)

    def forward(self, windows: Tensor) -> Tensor:
        last = windows[:, -self.config.centre_steps :] if self.config.normalize == "last" else windows
        centre = last.mean(dim=1, keepdim=True)
        scale = torch.ones_like(centre)
        if self.config.normalize == "std":
            scale = windows.std(dim=1, keepdim=True, unbiased=False).clamp(min=SMALLEST_SCALE)
        values = (windows - centre) / scale
        found = self._segments(values) if self.config.segment > 1 else self._direct(values)
        return found * scale[:, :, :1] + centre[:, :, :1]

    def _direct(self, values: Tensor) -> Tensor:
        outputs, _ = self.recurrent(values, return_states=False)
        return self.leave(self.dropout(outputs[:, -1])).reshape(len(values), self.horizon, self.outputs)

    def _segments(self, values: Tensor) -> Tensor:
        """Encode segment by segment, then decode all segments of the horizon at once from the last state."""
        batch, size = len(values), self.config.segment
        lack = -values.shape[1] % size
        if lack:
            values = torch.cat([values[:, :1].expand(-1, lack, -1), values], dim=1)
        steps = torch.relu(self.enter(values.reshape(batch, -1, size * values.shape[2])))
        _, states = self.recurrent(steps)
        assert states is not None
        count = len(self.places)
        spread = tuple(state.repeat_interleave(count, dim=1) for state in states)
        queries = self.places.repeat(batch, 1)[:, None]
        outputs, _ = self.recurrent(queries, states=spread, return_states=False)
        found = self.leave(self.dropout(outputs[:, 0])).reshape(batch, count * size, self.outputs)
        return found[:, : self.horizon]


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

    def prepare(self, plan: NDArray[np.int64], epoch: int, device: torch.device) -> Tensor:
        """(batch, look_back + horizon, columns)"""
        length = self.model.look_back + self.model.horizon
        return self.values[torch.from_numpy(plan)[:, None] + torch.arange(length)].to(device)

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        left, right = batch[:, : self.model.look_back], batch[:, self.model.look_back :, :1]
        gaps = right - self.model(left)
        if not self.config.quantiles:
            loss = gaps.abs().mean() if self.config.loss == "mae" else gaps.square().mean()
            return loss, {"windows": float(len(batch))}
        levels = torch.tensor(self.config.quantiles, device=gaps.device)
        return torch.maximum(levels * gaps, (levels - 1) * gaps).mean(), {"windows": float(len(batch))}

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
    """A network trained on windows of `values` (time, columns) that begin at the steps `train`.

    Those that begin at `held` choose the epoch.
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
    """A `RecurrentNetwork` trained on the windows of a history (or of many series at once: a global model)."""

    def __init__(self, config: RecurrentConfig, name: str = "") -> None:
        self.config, self.name = config, name or config.kind
        self.network: RecurrentNetwork | None = None
        self._centre, self._scale = np.zeros(1), np.ones(1)

    def fit(self, history: Floats, horizon: int, season: int) -> None:
        """Raises DataError for a history too short for a few windows."""
        self.fit_many([history], horizon, season)

    def fit_many(self, histories: list[Floats], horizon: int, season: int) -> None:
        """One model for all series; each is scaled by its own deviation if there are several."""
        shortest = min(len(history) for history in histories)
        look_back = self.config.look_back or choose_look_back(shortest, horizon, season)
        if look_back < 1 or shortest < look_back + horizon + 1:
            raise DataError(f"{shortest} values are too few for a horizon of {horizon}; shorten it.")
        together = np.concatenate(histories)
        self._centre, self._scale = together.mean(axis=0), np.maximum(together.std(axis=0), SMALLEST_SCALE)
        starts = window_starts([len(history) for history in histories], look_back + horizon)
        # The latest windows choose the epoch; of a single series none that overlaps them is learned from.
        order = np.concatenate(starts)[np.argsort(np.concatenate([s - s[-1] for s in starts]), kind="stable")]
        cut = max(1, int(HELD_OUT * len(order)))
        train = order[: max(1, len(order) - cut - (horizon if len(histories) == 1 else 0))]
        self.network = train_network(self.config, self._scaled(together), train, order[-cut:], look_back, horizon)

    def _scaled(self, history: Floats) -> Floats:
        return np.asarray((history - self._centre) / self._scale)

    def forecast(self, history: Floats) -> Floats:
        """The target (horizon,); of a quantile model its middle quantile."""
        found = self.forecast_quantiles(history)
        middle = int(np.argmin(np.abs(np.array(self.config.quantiles or (0.5,)) - 0.5)))
        return np.asarray(found[:, middle])

    def forecast_quantiles(self, history: Floats) -> Floats:
        """(horizon, quantiles), rising; one column where there are none."""
        assert self.network is not None
        window = torch.from_numpy(self._scaled(history[-self.network.look_back :])).float()[None]
        with torch.inference_mode():
            found = self.network.eval()(window)[0].double().numpy()
        return np.asarray(np.sort(found, axis=1) * self._scale[0] + self._centre[0])

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and values that `restore` needs."""
        assert self.network is not None
        values = {
            "centre": self._centre.tolist(), "scale": self._scale.tolist(), "horizon": self.network.horizon,
            "look_back": self.network.look_back,
        }  # fmt: skip
        return self.network.state_dict(), values

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self._centre, self._scale = np.array(values["centre"]), np.array(values["scale"])
        self.network = RecurrentNetwork(self.config, len(self._centre), values["look_back"], values["horizon"])
        self.network.load_state_dict(tensors)


def training_steps(windows: int, batch: int, most: int) -> int:
    """Steps of training: at most so many, fewer where windows are few and would be seen too often."""
    return int(min(most, max(LEAST_STEPS, MOST_PASSES * windows / batch)))


def window_config(name: str, look_back: int, horizon: int, season: int, windows: int, seed: int) -> RecurrentConfig:
    """Settings for the many windows of long series. Raises ConfigError for a name that is none of lstm, gru, segrnn."""
    steps = training_steps(windows, 256, 2400)
    if name == "segrnn":
        segment = max(2, min(season, look_back, horizon) if season > 1 else min(12, look_back, horizon))
        return RecurrentConfig(
            "gru",
            segment,
            hidden_size=256,
            dropout=0.5,
            batch=256,
            steps=steps,
            epochs=12,
            learning_rate=1e-3,
            seed=seed,
        )
    if name in ("lstm", "gru"):
        return RecurrentConfig(
            name, hidden_size=64, dropout=0.2, batch=256, steps=steps, epochs=12, learning_rate=2e-3, seed=seed
        )
    raise ConfigError(
        f"unknown method '{name}'; known: last-value, seasonal-naive, ridge, nlinear, dlinear, lstm, gru, segrnn, "
        "average."
    )
