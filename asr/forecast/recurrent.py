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
from asr.forecast.linear import choose_look_back
from asr.nn import Recurrent
from asr.train.loop import TrainConfig, Trainer

Floats = NDArray[np.float64]

SMALLEST_SCALE = 1e-6
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
    normalize: str = "last"  # a window's values less its last one, or by its mean and deviation (Kim et al. 2022): std
    quantiles: tuple[float, ...] = ()  # forecast these too; the loss is then the quantile loss
    batch: int = 64  # windows
    steps: int = 1200  # of training, whatever the number of windows
    epochs: int = 12  # parts of the steps, each validated
    learning_rate: float = 3e-3
    seed: int = 1

    def __post_init__(self) -> None:
        if self.normalize not in ("last", "std"):
            raise ConfigError(f"normalize must be last or std, not '{self.normalize}'.")
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
        self.dropout = nn.Dropout(config.dropout)
        if config.segment > 1:
            self.places = nn.Parameter(0.02 * torch.randn(-(-horizon // config.segment), size))
            self.leave = nn.Linear(self.recurrent.output_size, config.segment * self.outputs)
        else:
            self.leave = nn.Linear(self.recurrent.output_size, horizon * self.outputs)

    def forward(self, windows: Tensor) -> Tensor:
        centre = windows[:, -1:] if self.config.normalize == "last" else windows.mean(dim=1, keepdim=True)
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
    series: list[Tensor]  # each (time, columns), scaled
    places: Tensor  # (windows, 2): series, first step
    held: Tensor  # those that validate
    config: RecurrentConfig
    metric: str = "loss_held_out"

    def plan(self, epoch: int) -> list[NDArray[np.int64]]:
        random = np.random.default_rng([self.config.seed, epoch])
        wanted = max(1, self.config.steps // self.config.epochs) * self.config.batch
        rounds = [random.permutation(len(self.places)) for _ in range(-(-wanted // len(self.places)))]
        return list(np.concatenate(rounds)[:wanted].reshape(-1, self.config.batch))

    def prepare(self, plan: NDArray[np.int64], epoch: int, device: torch.device) -> Tensor:
        return self._cut(self.places[torch.from_numpy(plan)]).to(device)

    def _cut(self, places: Tensor) -> Tensor:
        length = self.model.look_back + self.model.horizon
        return torch.stack([self.series[row][start : start + length] for row, start in places.tolist()])

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        left, right = batch[:, : self.model.look_back], batch[:, self.model.look_back :, :1]
        gaps = right - self.model(left)
        if not self.config.quantiles:
            return gaps.abs().mean(), {"windows": float(len(batch))}
        levels = torch.tensor(self.config.quantiles, device=gaps.device)
        return torch.maximum(levels * gaps, (levels - 1) * gaps).mean(), {"windows": float(len(batch))}

    def validate(self, device: torch.device) -> dict[str, float]:
        losses = [
            float(self.loss(self._cut(part).to(device))[0]) * len(part) for part in self.held.split(self.config.batch)
        ]
        return {self.metric: sum(losses) / len(self.held)}


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
        series = [torch.from_numpy(self._scaled(history)).float() for history in histories]
        places = [
            (row, start) for row, values in enumerate(series) for start in range(len(values) - look_back - horizon + 1)
        ]
        order = sorted(places, key=lambda place: place[1] - len(series[place[0]]))  # the latest windows last
        cut = max(1, int(HELD_OUT * len(order)))
        train = order[: max(1, len(order) - cut - (horizon if len(histories) == 1 else 0))]  # no overlap with held ones
        torch.manual_seed(self.config.seed)
        self.network = RecurrentNetwork(self.config, histories[0].shape[1], look_back, horizon)
        task = _WindowTask(self.network, series, torch.tensor(train), torch.tensor(order[-cut:]), self.config)
        self._train(task)

    def _train(self, task: _WindowTask) -> None:
        settings = TrainConfig(
            epochs=self.config.epochs, peak_lr=self.config.learning_rate, average=1, checkpoint_seconds=1e9,
            seed=self.config.seed, patience=max(3, self.config.epochs // 3), device="cpu", weight_decay=1e-4, threads=1,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            Trainer(task, settings, Path(folder)).run()

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
