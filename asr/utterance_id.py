"""The id of an utterance that a corpus does not name."""

from __future__ import annotations

import re
from pathlib import PurePath

_NOT_IN_AN_ID = re.compile(r"[\s()]+")  # `ID text` lines end an id at white space, .trn lines have it in brackets


def default_id(audio: str | PurePath, offset: float = 0.0) -> str:
    """The file's name without its suffix, white space and brackets as _; then the offset in ms, if it has one."""
    name = _NOT_IN_AN_ID.sub("_", PurePath(audio).stem)
    return name if not offset else f"{name}-{round(offset * 1000):08d}"
