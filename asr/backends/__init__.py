"""What runs acoustic models: samples in, log-probabilities of tokens out."""

from asr.backends.base import Backend, BackendStream
from asr.backends.open import open_backend

__all__ = ["Backend", "BackendStream", "open_backend"]
