"""JSON from files of others."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes, **options: Any) -> Any:
    """`json.loads` of a text, which raises ValueError also where lists or objects lie too deep within each other."""
    try:
        return json.loads(text, **options)
    except RecursionError:
        raise ValueError("lists or objects lie too deep within each other") from None
