"""Gaussian mixture models: samples to log-probabilities of states (Rabiner 1989)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asr.audio.features import Features
from asr.gmm.config import GaussianConfig

# Of log-likelihoods, as neighbouring frames are not independent. The search sums over paths: at a tenth, which decoders
# of best paths take, all paths are alike, and a text has more of them the more states it has.
ACOUSTIC_SCALE = 0.3

Floats = NDArray[np.floating]


class GaussianMixtures(nn.Module):
    """ln p(frame | state) under diagonal Gaussian mixtures. Before training all states are one standard Gaussian."""

    def __init__(self, states: int, gaussians: int, dim: int) -> None:
        super().__init__()
        self.log_weights = nn.Parameter(torch.full((states, gaussians), -1e4), requires_grad=False)
        self.log_weights[:, 0] = 0.0
        self.means = nn.Parameter(torch.zeros(states, gaussians, dim), requires_grad=False)
        self.variances = nn.Parameter(torch.ones(states, gaussians, dim), requires_grad=False)

    def forward(self, frames: Tensor) -> Tensor:
        """(…, dim) to (…, states)."""
        means, precisions = self.means.flatten(0, 1).float(), 1 / self.variances.flatten(0, 1).float()
        constants = (means.square() * precisions - precisions.log()).sum(1) + means.shape[1] * np.log(2 * np.pi)
        distances = frames.square() @ precisions.T - 2 * frames @ (means * precisions).T + constants
        parts = self.log_weights.float() - distances.unflatten(-1, self.log_weights.shape) / 2
        scores: Tensor = parts.logsumexp(dim=-1)
        return scores

    def set_state(self, state: int, weights: Floats, means: Floats, variances: Floats) -> None:
        """Take the mixture of a state, of at most as many Gaussians as there is room for."""
        count = len(weights)
        with torch.no_grad():
            self.log_weights[state] = -1e4
            self.log_weights[state, :count] = torch.from_numpy(np.log(weights)).float()
            self.means[state, :count] = torch.from_numpy(means).float()
            self.variances[state, :count] = torch.from_numpy(variances).float()


class GaussianModel(nn.Module):
    """Samples to log-probabilities of hidden Markov states, silence first."""

    def __init__(self, config: GaussianConfig, num_tokens: int) -> None:
        super().__init__()
        self.config = config
        self.num_tokens = num_tokens
        self.features = Features(config.features)
        self.mixtures = GaussianMixtures(num_tokens, config.gaussians, config.features.dim)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features (batch, frames, dim) and lengths to scaled log-probabilities (batch, frames, states) and lengths."""
        return (ACOUSTIC_SCALE * self.mixtures(features)).log_softmax(dim=-1), lengths

    def log_probs(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Samples (batch, time) in [-1, 1] and lengths (batch,) to log-probabilities and their lengths."""
        log_probs, output_lengths = self(*self.features(samples, lengths))
        return log_probs, output_lengths
