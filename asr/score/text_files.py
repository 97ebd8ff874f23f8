"""Files of references and hypotheses: `ID text` lines, NIST .trn, or manifests; plain or packed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import TextError
from asr.json_text import parse_json
from asr.unpacking import read_unpacked, unpacked_name
from asr.utterance_id import check_ids, default_id, id_and_rest, id_in

_TRN = re.compile(r"^(.*?)\s*\(([^()\s]+)\)\s*$")
TIMED = (".ctm", ".stm")
TRANSCRIBED = "file"  # the key by which lines of `asr transcribe --output` name their recording
_LIBRISPEECH_ID = re.compile(r"^(\d+)-\d+-\d+$")


@dataclass(frozen=True)
class Texts:
    """Texts, and speakers where they are known, by utterance id; and the ids of a manifest whose text is not known."""

    texts: dict[str, str]
    speakers: dict[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()


def read_texts(path: str | Path) -> Texts:
    """The texts in a file, whose suffix tells its form: .trn (`text (ID)`), .jsonl (manifest, or transcripts, whose ids
    are the names of their recordings and whose texts are as recognised), else `ID text` lines.

    A file packed as .gz, .bz2 or .xz has its form's suffix before that one (.trn.gz). Speakers come from a manifest, or
    from the ids if all have LibriSpeech's form (SPEAKER-CHAPTER-NUMBER). Raises TextError if the file cannot be read,
    and, with the line number, for a line of another form or a repeated id.
    """
    path = Path(path)
    form = unpacked_name(path).suffix
    if form in TIMED:
        raise TextError(
            f"{path} holds timed words, which sclite scores; give the texts as 'ID text' lines, .trn or .jsonl."
        )
    texts: dict[str, str] = {}
    speakers: dict[str, str] = {}
    unknown: set[str] = set()
    for number, line in enumerate(read_unpacked(path).split("\n"), 1):  # U+2028 and the like may be within a text
        if not line.strip():
            continue
        name, text, speaker = _parse(path, form, number, line)
        if name in texts or name in unknown:
            raise TextError(f"{path} line {number}: the id '{name}' is repeated; ids must be unique.")
        if text is None:
            unknown.add(name)
            continue
        texts[name] = " ".join(text.split())
        if speaker:
            speakers[name] = speaker
    if not texts:
        form = "a `text` in its lines" if unknown else "'ID text' lines"
        raise TextError(f"{path} has no text; it must have {form}.")
    if not speakers and all(_LIBRISPEECH_ID.match(name) for name in texts):
        speakers = {name: name.split("-")[0] for name in texts}
    return Texts(texts, speakers, frozenset(unknown))


def _parse(path: Path, form: str, number: int, line: str) -> tuple[str, str | None, str | None]:
    """The id of a line, its text if it is known, and its speaker likewise."""
    if form == ".trn":
        match = _TRN.match(line)
        if not match:
            raise TextError(f"{path} line {number} does not end in an id in brackets: {line[:60]!r}.")
        return match[2], match[1], None
    if form == ".jsonl":
        try:
            values = parse_json(line)
            if TRANSCRIBED in values and "audio_filepath" not in values:
                return default_id(values[TRANSCRIBED]), str(values.get("raw", values["text"])), None
            name, text = id_in(values), values.get("text")
            return name, None if text is None else str(text), _name_of(values.get("speaker"))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise TextError(f"{path} line {number} is not a line of a manifest: {line[:60]!r}.") from None
    return *id_and_rest(line), None


def _name_of(speaker: object) -> str | None:
    """A speaker's name, which other tools write as a number too."""
    return str(speaker) if isinstance(speaker, str | int) else None


def format_texts(texts: dict[str, str], trn: bool) -> str:
    """The content of a .trn file, or of a file of `ID text` lines, sorted by id.

    Raises TextError for an id that such a file cannot hold.
    """
    check_ids(texts)
    if trn:
        return "".join(f"{texts[name]} ({name})\n".lstrip() for name in sorted(texts))
    return "".join(f"{name} {texts[name]}".rstrip() + "\n" for name in sorted(texts))
