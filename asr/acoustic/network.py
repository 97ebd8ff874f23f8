"""The acoustic model: features, a front that lowers the frame rate, an encoder, a linear CTC head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from asr.acoustic.config import AcousticConfig
from asr.acoustic.encoders import ResidualStack, SelfAttention, build_encoder
from asr.acoustic.front import build_front
from asr.audio.features import Features
from asr.nn import Dropout


class AcousticModel(nn.Module):
    """Samples or features to log-probabilities of tokens, blank first.

    Its state dict has the names of files: what belongs to the encoder is called `recurrent` (see `Encoder`).
    """

    def __init__(self, config: AcousticConfig, num_tokens: int) -> None:
        super().__init__()
        self.config = config
        self.num_tokens = num_tokens
        self.features = Features(config.features)
        self.front = build_front(config)
        self.encoder = build_encoder(config)
        self.dropout = Dropout(config.dropout)
        self.head = nn.Linear(self.encoder.output_size, num_tokens)
        self.register_state_dict_post_hook(_rename_for_files)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_rename_from_files)  # type: ignore[no-untyped-call]

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """features: (batch, frames, dim); lengths: (batch,) in frames, at least 1 each.

        Returns natural log-probabilities (batch, output frames, tokens) and their lengths (batch,).
        """
        hidden, lengths = self.front(features, lengths)
        hidden = self.encoder(self.dropout(hidden), lengths)
        return self.head(self.dropout(hidden)).float().log_softmax(dim=-1), lengths

    def log_probs(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Samples (batch, time) in [-1, 1] and lengths (batch,) to log-probabilities and their lengths."""
        features, frame_lengths = self.features(samples, lengths)
        if features.shape[1] == 0:
            return features.new_zeros(len(samples), 0, self.num_tokens), frame_lengths
        log_probs, output_lengths = self(features, frame_lengths.clamp(min=1))
        return log_probs, torch.where(frame_lengths > 0, output_lengths, 0)

    def output_lengths(self, sample_lengths: Tensor) -> Tensor:
        """Frames of log-probabilities for each number of samples."""
        return self.front.output_lengths(self.features.frame_lengths(sample_lengths))

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Load another model's state dict; self-attention and last blocks that it lacks add nothing at first.

        Raises RuntimeError if anything else is missing or of another size.
        """
        given = dict(weights)
        if isinstance(self.encoder, ResidualStack):
            self._add_blocks(self.encoder, given)
        for name, module in self.named_modules():
            prefix = stored_name(self, f"{name}.")
            if isinstance(module, SelfAttention) and not any(key.startswith(prefix) for key in given):
                module.begin_with_nothing()
                given |= module.state_dict(prefix=prefix)
        self.load_state_dict(given)

    def _add_blocks(self, encoder: ResidualStack, given: dict[str, Tensor]) -> None:
        """Put the blocks that `given` lacks into it: copies of its last ones, but for what they add, which is nothing.

        A copy learns faster than weights drawn at random; the gradient reaches what it adds in the first step.
        """
        names = [
            {name: stored_name(self, f"encoder.{name}") for name in encoder.block_parameters(block)}
            for block in range(len(encoder.layers))
        ]
        known = sum(any(stored in given for stored in block.values()) for block in names)
        for block in range(known, len(names) if known else 0):
            copied = max(block - (len(names) - known), 0)
            for name, stored in names[block].items():
                source = given.get(stored_name(self, f"encoder.{name.replace(f'.{block}.', f'.{copied}.', 1)}"))
                if source is not None:  # self-attention that no given block has begins with nothing everywhere
                    given[stored] = torch.zeros_like(source) if encoder.writes(name) else source


def stored_name(model: AcousticModel, name: str) -> str:
    """What files call the parameter `name` of a model."""
    for own, stored in model.encoder.stored_names:
        if name.startswith(f"encoder.{own}"):
            return stored + name.removeprefix(f"encoder.{own}")
    return name


def _own_name(model: AcousticModel, name: str) -> str:
    """The parameter of a model that files call `name`."""
    for own, stored in model.encoder.stored_names:
        if name.startswith(stored):
            return f"encoder.{own}{name.removeprefix(stored)}"
    return name


def _rename_for_files(model: nn.Module, state: dict[str, Any], prefix: str, _: object) -> None:
    assert isinstance(model, AcousticModel)
    _rename(state, prefix, lambda name: stored_name(model, name))


def _rename_from_files(model: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    assert isinstance(model, AcousticModel)
    _rename(state, prefix, lambda name: _own_name(model, name))


def _rename(state: dict[str, Any], prefix: str, rename: Callable[[str], str]) -> None:
    """Rename the entries under `prefix`; the order stays."""
    items = list(state.items())
    state.clear()
    for name, value in items:
        renamed = prefix + rename(name.removeprefix(prefix)) if name.startswith(prefix) else name
        state[renamed] = value
