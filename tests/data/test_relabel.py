from __future__ import annotations

import gzip
import json

import pytest

from asr.data.manifest import Manifest, Utterance
from asr.data.relabel import Recognised, read_recognised, relabel
from asr.errors import ConfigError, ManifestError, TextError

MANIFEST = Manifest([Utterance(name, f"{name}.wav", 1.0, "old") for name in "abc"], [])


def test_utterances_take_recognised_texts_above_a_mean_confidence():
    recognised = {
        "a": Recognised("new words", [0.9, 0.7]), "b": Recognised("new", [0.5]), "x": Recognised("else", [1.0]),
    }  # fmt: skip
    assert [(u.id, u.text) for u in relabel(MANIFEST, recognised)] == [("a", "new words"), ("b", "new")]
    assert [u.id for u in relabel(MANIFEST, recognised, 0.8)] == ["a"]
    with pytest.raises(ManifestError, match="no utterance"):
        relabel(MANIFEST, recognised, 0.95)
    with pytest.raises(ConfigError, match="needs confidences"):
        relabel(MANIFEST, {"a": Recognised("new", [])}, 0.5)


def test_decoded_lines_and_plain_texts_are_read(tmp_path):
    word = {"word": "yes", "start": 0.0, "end": 0.2, "confidence": 0.75}
    lines = [{"id": "a", "text": "yes", "score": -1.0, "words": [word]}, {"decode_seconds": 0.1, "utterances": 1}]
    (tmp_path / "decoded.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_recognised(tmp_path / "decoded.jsonl") == {"a": ("yes", [0.75])}
    (tmp_path / "decoded.jsonl.gz").write_bytes(gzip.compress((tmp_path / "decoded.jsonl").read_bytes()))
    assert read_recognised(tmp_path / "decoded.jsonl.gz") == {"a": ("yes", [0.75])}
    (tmp_path / "texts.trn").write_text("yes no (a)\n")
    assert read_recognised(tmp_path / "texts.trn") == {"a": ("yes no", [])}
    with pytest.raises(TextError, match="cannot read"):
        read_recognised(tmp_path / "none.trn")
