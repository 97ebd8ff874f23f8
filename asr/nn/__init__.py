"""The recurrent core: cells as equations, and the stack that every model uses."""

from asr.nn.dropout import Dropout
from asr.nn.recurrent import KINDS, Recurrent

__all__ = ["KINDS", "Dropout", "Recurrent"]
