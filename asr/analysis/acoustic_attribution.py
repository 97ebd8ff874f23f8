"""Attribution of a recognised token to input features, by integrated gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asr.acoustic.network import AcousticModel
from asr.nn.integrated_gradients import integrated_gradients

NEAR = 5  # output frames on either side in which the token is looked for
STEPS = 32


@dataclass(frozen=True)
class Attribution:
    """A token, where the model puts it, and what each feature contributes to its log-probability."""

    token: int
    second: float
    log_prob: float  # natural logarithm
    values: Tensor  # (frames, dim); they sum to the difference from the baseline's log-probability
    frame_seconds: float

    @property
    def strongest_second(self) -> float:
        """The time of the feature frame that contributes most."""
        return int(self._shares().argmax()) * self.frame_seconds

    @property
    def median_second(self) -> float:
        """The time before which half of all contributions lie."""
        total = self._shares().cumsum(dim=0)
        return int((total < total[-1] / 2).sum()) * self.frame_seconds

    def _shares(self) -> Tensor:
        """The absolute contribution of each frame (frames,)."""
        return self.values.abs().sum(dim=1)


def attribute(model: AcousticModel, features: Tensor, second: float, steps: int = STEPS) -> Attribution:
    """The attribution of the likeliest token other than blank near `second`, for features (frames, dim).

    The baseline is features of zero, which is their mean if the model normalises them.
    """
    model.eval()

    def log_probs(batch: Tensor) -> Tensor:
        values: Tensor = model(batch, torch.full((len(batch),), batch.shape[1]))[0]
        return values

    with torch.no_grad():
        scores = log_probs(features[None])[0]
    middle = min(len(scores) - 1, int(second / model.config.seconds_per_frame))
    first = max(0, middle - NEAR)
    window = scores[first : middle + NEAR + 1, 1:]
    place = int(window.argmax())
    frame, token = first + place // window.shape[1], 1 + place % window.shape[1]
    values = integrated_gradients(lambda batch: log_probs(batch)[:, frame, token], features, steps=steps)
    return Attribution(
        token,
        frame * model.config.seconds_per_frame,
        float(scores[frame, token]),
        values,
        model.config.features.frame_shift_ms / 1000,
    )
