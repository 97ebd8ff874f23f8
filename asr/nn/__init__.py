"""The recurrent core: cells as equations, and the stack that every model uses."""

from asr.nn.recurrent import KINDS, Recurrent

__all__ = ["KINDS", "Recurrent"]
