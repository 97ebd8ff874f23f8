"""What of an utterance's features made an acoustic model hear a token."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from asr.acoustic.network import AcousticModel
from asr.nn.integrated_gradients import integrated_gradients

NEAR = 5  # output frames on either side in which the token is looked for
STEPS = 32


class Attribution(NamedTuple):
    """values: (frames, dim), what each feature adds to the token's log-probability."""

    token: int
    second: float
    log_prob: float
    values: Tensor


def attribute(model: AcousticModel, features: Tensor, second: float, steps: int = STEPS) -> Attribution:
    """Integrated gradients of the likeliest token other than blank near `second`, by features (frames, dim).

    Against features of zero, which is their mean where the model normalises them.
    """
    model.eval()

    def log_probs(batch: Tensor) -> Tensor:
        return model(batch, torch.full((len(batch),), batch.shape[1]))[0]

    with torch.no_grad():
        found = log_probs(features[None])[0]
    middle = min(len(found) - 1, int(second / model.config.seconds_per_frame))
    first = max(0, middle - NEAR)
    window = found[first : middle + NEAR + 1, 1:]
    place = int(window.argmax())
    frame, token = first + place // window.shape[1], 1 + place % window.shape[1]
    values = integrated_gradients(lambda batch: log_probs(batch)[:, frame, token], features, steps=steps)
    return Attribution(token, frame * model.config.seconds_per_frame, float(found[frame, token]), values)
