"""What runs acoustic models: samples in, log-probabilities of tokens out."""

from asr.backends.base import Backend, BackendStream
from asr.backends.open import open_backend
from asr.backends.stream import Chunks

__all__ = ["Backend", "BackendStream", "Chunks", "open_backend"]
