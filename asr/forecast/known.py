"""What was known of a series at a time: values that were missing tell of later ones where they are interpolated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Filled = NDArray[np.bool_]
"""Which values of a series (time, columns) were missing."""


def history_at(values: Floats, place: int, filled: Filled | None = None) -> Floats:
    """A copy of the values (time, columns) before `place`, as they would be read from a file that ends there.

    Values that were missing at its end repeat the last one before them.
    """
    history = values[:place].copy()
    if filled is not None:
        for column, lost in zip(history.T, filled[:place].T, strict=True):
            here = np.flatnonzero(~lost)
            if len(here):
                column[here[-1] :] = column[here[-1]]
    return history


def actual_at(values: Floats, place: int, horizon: int, filled: Filled | None = None) -> Floats:
    """The `horizon` values of the target from `place` on, NaN where they were missing."""
    actual = values[place : place + horizon, 0]
    return actual.copy() if filled is None else np.where(filled[place : place + horizon, 0], np.nan, actual)
