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
            content = f"{part.dtype.str} {part.shape} ".encode() + np.ascontiguousarray(part).tobytes()
        else:
            content = json.dumps(part).encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()[:DIGITS]
