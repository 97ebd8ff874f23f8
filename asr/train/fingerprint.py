"""Short names of data, by which a training run knows again what it was begun on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

DIGITS = 32  # of the digest that are kept


def fingerprint(*parts: Any) -> str:
    """A name that differs where a part, an array or what JSON can hold, or their order does."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            head, values = f"{part.dtype.str} {part.shape} ".encode(), np.ascontiguousarray(part)
        else:
            head, values = json.dumps(part).encode(), np.empty(0)
        digest.update((len(head) + values.nbytes).to_bytes(8, "little") + head)
        digest.update(values.data)  # the array itself: that of a long text has a gigabyte, which is not copied
    return digest.hexdigest()[:DIGITS]
