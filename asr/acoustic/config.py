"""Sizes and kind of an acoustic model; read without torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.audio.feature_config import FeatureConfig
from asr.errors import ConfigError
from asr.nn.kinds import KINDS

FEEDFORWARD = "feedforward"
STRIDES = {1: (1, 1), 2: (2, 1), 3: (3, 1), 4: (2, 2), 6: (3, 2)}  # in time, of the two convolutions

SIZES = (  # the least and the most that each may be
    ("hidden_size", 1, 16384), ("num_layers", 1, 64), ("input_size", 1, 16384), ("conv_channels", 0, 4096),
    ("block_kernel", 0, 1023), ("attention_heads", 0, 1024), ("dropout", 0, 1), ("weight_dropout", 0, 1),
)  # fmt: skip


@dataclass(frozen=True)
class AcousticConfig:
    """Sizes of the acoustic model."""

    kind: str = "lstm"  # of the recurrent layers; feedforward: layers without memory
    hidden_size: int = 320  # units of a layer, in each direction
    num_layers: int = 3  # recurrent layers, or blocks
    bidirectional: bool = True  # of recurrent layers
    dropout: float = 0.2  # between layers
    weight_dropout: float = 0.0  # of recurrent weights, for a batch (Merity et al. 2018)
    conv_channels: int = 32  # of the convolutions that subsample; 0: none, frames are stacked
    # Output frames, odd, that a convolution after each layer reads; the encoder is then a stack of residual blocks,
    # input_size wide. 0: layers one above the other.
    block_kernel: int = 0
    attention_heads: int = 0  # of self-attention, in each block or else after the layers; 0: none
    subsampling: int = 4  # feature frames per output frame: 1, 2, 3, 4 or 6
    input_size: int = 320  # of the encoder, after the front
    features: FeatureConfig = field(default_factory=FeatureConfig)

    def __post_init__(self) -> None:
        for name, low, high in SIZES:
            if not low <= getattr(self, name) <= high:  # true of NaN
                raise ConfigError(f"model.{name} must lie in {low}..{high}, not {getattr(self, name)}.")
        if self.subsampling not in STRIDES:
            raise ConfigError(
                f"model.subsampling must be one of {', '.join(map(str, STRIDES))}, not {self.subsampling}."
            )
        if self.kind not in (*KINDS, FEEDFORWARD):
            known = ", ".join([*KINDS, FEEDFORWARD])
            raise ConfigError(f"model.kind must be one of {known}, or gaussian, not '{self.kind}'.")
        if self.block_kernel and (self.kind not in KINDS or self.block_kernel < 0 or self.block_kernel % 2 == 0):
            raise ConfigError("model.block_kernel must be odd, or 0, and needs recurrent layers.")
        width = self.hidden_size * (2 if self.bidirectional and self.kind != FEEDFORWARD else 1)
        width = self.input_size if self.block_kernel else width
        if self.attention_heads and (self.kind == "lstm-projected" or width % self.attention_heads):
            raise ConfigError(f"model.attention_heads must divide the stack's width of {width}, and not be projected.")

    @property
    def seconds_per_frame(self) -> float:
        """Duration of one output frame in seconds."""
        return self.features.frame_shift_ms * self.subsampling / 1000
