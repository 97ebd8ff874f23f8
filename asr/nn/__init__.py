"""The recurrent core: cells as equations, and the stack that every model uses.

`KINDS` is read without torch; `Dropout` and `Recurrent` import it on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asr.nn.kinds import KINDS

if TYPE_CHECKING:
    from asr.nn.dropout import Dropout
    from asr.nn.recurrent import Recurrent

__all__ = ["KINDS", "Dropout", "Recurrent"]


def __getattr__(name: str) -> Any:
    if name in ("Dropout", "Recurrent"):
        from asr.nn import dropout, recurrent

        return getattr({"Dropout": dropout, "Recurrent": recurrent}[name], name)
    raise AttributeError(f"module 'asr.nn' has no attribute '{name}'")
