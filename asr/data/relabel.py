"""Recognised texts in place of references: pseudo-labels for self-training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asr.data.manifest import Manifest, Utterance
from asr.errors import ConfigError, ManifestError, TextError
from asr.json_text import parse_json
from asr.score.text_files import read_texts
from asr.unpacking import read_unpacked


class Recognised(NamedTuple):
    """The recognised text of an utterance, and the confidence of each word if it is known."""

    text: str
    confidences: list[float]


def read_recognised(path: Path) -> dict[str, Recognised]:
    """Recognised texts by utterance id: the lines of `asr decode --json`, or any file of texts, without confidences.

    Raises TextError if the file can be read as neither.
    """
    try:
        lines = [parse_json(line) for line in read_unpacked(path).split("\n") if line.strip()]
        decoded = [line for line in lines if "words" in line]
        if decoded:
            return {
                str(line["id"]): Recognised(line["text"], [word["confidence"] for word in line["words"]])
                for line in decoded
            }
    except (TextError, ValueError, KeyError, TypeError):
        pass  # another form, or an error that the reader of texts names
    return {name: Recognised(text, []) for name, text in read_texts(path).texts.items()}


def relabel(
    manifest: Manifest, recognised: Mapping[str, Recognised], least_confidence: float | None = None
) -> list[Utterance]:
    """The utterances that have a recognised text, with that text in place of their own.

    least_confidence: leave out utterances whose words have a lower mean confidence. Raises ConfigError if there are no
    confidences to compare with it, ManifestError if no utterance is left.
    """
    if least_confidence is not None and not any(result.confidences for result in recognised.values()):
        raise ConfigError("`least_confidence` needs confidences; write the texts with `asr decode --json`.")
    relabelled = []
    for utterance in manifest.utterances:
        text, confidences = recognised.get(utterance.id, Recognised("", []))
        if text and (least_confidence is None or float(np.mean(confidences or 0.0)) >= least_confidence):
            relabelled.append(replace(utterance, text=text))
    if not relabelled:
        raise ManifestError("no utterance of the manifest has a recognised text of sufficient confidence.")
    return relabelled
