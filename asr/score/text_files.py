"""References and hypotheses on disk: `ID text` lines, NIST .trn, or manifests."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import TextError

_TRN = re.compile(r"^(.*?)\s*\(([^()\s]+)\)\s*$")
_LIBRISPEECH_ID = re.compile(r"^(\d+)-\d+-\d+$")


@dataclass(frozen=True)
class Texts:
    """Texts by utterance id, and where they are known the speakers."""

    texts: dict[str, str]
    speakers: dict[str, str] = field(default_factory=dict)


def read_texts(path: str | Path) -> Texts:
    """Read texts; the form follows the name: `.trn` (`text (ID)`), `.jsonl` (manifest), else `ID text` lines.

    Speakers come from a manifest, or from ids of LibriSpeech's form (SPEAKER-CHAPTER-NUMBER) if all are of it.
    Raises TextError with the line for what cannot be read, and for an id that stands twice.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise TextError(f"cannot read {path}: {error.strerror}; check the path.") from None
    except UnicodeDecodeError as error:
        raise TextError(f"{path} is not UTF-8 (byte {error.start}); write it again as UTF-8.") from None
    texts: dict[str, str] = {}
    speakers: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, text, speaker = _parse(path, number, line)
        if name in texts:
            raise TextError(f"{path} line {number}: the id '{name}' stands a second time; ids must be unique.")
        texts[name] = " ".join(text.split())
        if speaker:
            speakers[name] = speaker
    if not texts:
        raise TextError(f"{path} holds no text; it must have 'ID text' lines.")
    if not speakers and all(_LIBRISPEECH_ID.match(name) for name in texts):
        speakers = {name: name.split("-")[0] for name in texts}
    return Texts(texts, speakers)


def _parse(path: Path, number: int, line: str) -> tuple[str, str, str | None]:
    if path.suffix == ".trn":
        match = _TRN.match(line)
        if not match:
            raise TextError(f"{path} line {number} does not end in an id in brackets: {line[:60]!r}.")
        return match[2], match[1], None
    if path.suffix == ".jsonl":
        try:
            values = json.loads(line)
            return str(values["id"]), str(values.get("text") or ""), values.get("speaker")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise TextError(f"{path} line {number} is no manifest line with an id: {line[:60]!r}.") from None
    name, _, text = line.strip().partition(" ")
    return name, text, None


def format_texts(texts: dict[str, str], trn: bool) -> str:
    """The content of an `ID text` file, or of a .trn file, ids sorted."""
    if trn:
        return "".join(f"{texts[name]} ({name})\n".lstrip() for name in sorted(texts))
    return "".join(f"{name} {texts[name]}".rstrip() + "\n" for name in sorted(texts))
