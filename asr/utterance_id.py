"""Ids of utterances: what they may hold, and that of one that a corpus does not name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from asr.errors import TextError

_NOT_IN_AN_ID = re.compile(r"[\s()]+")  # `ID text` lines end an id at white space, .trn lines have it in brackets


def default_id(audio: str | PurePath, offset: float = 0.0) -> str:
    """The file's name without its suffix, white space and brackets as _; then the offset in ms, if it has one."""
    name = _NOT_IN_AN_ID.sub("_", PurePath(audio).stem)
    return name if not offset else f"{name}-{round(offset * 1000):08d}"


def id_in(values: Mapping[str, Any]) -> str:
    """The id of a manifest's line: as it is given, in a text or a number such as 0, else the default one."""
    given = values.get("id")
    if given is not None and given != "":
        return str(given)
    return default_id(values["audio_filepath"], float(values.get("offset", 0.0)))


def id_and_rest(line: str) -> tuple[str, str]:
    """The id that a line begins with, and what follows it after spaces or tabs; both empty for an empty line."""
    name, *rest = line.split(None, 1) or [""]
    return name, "".join(rest).strip()


def check_ids(names: Iterable[str]) -> None:
    """Raise TextError for an id that a line of `ID text` or .trn could not give back."""
    for name in names:
        if not name or _NOT_IN_AN_ID.search(name):
            raise TextError(
                f"the id '{name}' holds white space or brackets, which end an id in files of texts; write _ for them"
                if name
                else "an id is empty"
            )
