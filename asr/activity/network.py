"""The voice-activity network: log-mel energies, a one-directional LSTM, one score a frame."""

from __future__ import annotations

from torch import Tensor, nn

from asr.activity.config import ActivityConfig
from asr.nn import Recurrent


class ActivityNetwork(nn.Module):
    """Log-odds of speech. The output at a frame is about the frame `config.delay` before it."""

    def __init__(self, config: ActivityConfig) -> None:
        super().__init__()
        self.config = config
        self.recurrent = Recurrent("lstm", config.features.dim, config.hidden_size, config.num_layers)
        self.output = nn.Linear(config.hidden_size, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Log-odds (batch, frames) for normalised features (batch, frames, dim); the first `delay` mean nothing."""
        hidden, _ = self.recurrent(features, return_states=False)
        scores: Tensor = self.output(hidden)[..., 0]
        return scores
