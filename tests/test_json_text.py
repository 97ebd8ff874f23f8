from __future__ import annotations

import json

import pytest

from asr.errors import AsrError, DataError, TextError
from asr.json_text import parse_json
from asr.nlp.table import read_table
from asr.recognizer.results_file import files_of
from asr.score.text_files import read_texts

DEEP = "[" * 100_000


def test_json_is_read_as_by_the_standard_library():
    text = '{"a": [1, 2.5, null], "b": "c"}'
    assert parse_json(text) == parse_json(text.encode()) == json.loads(text)
    with pytest.raises(ValueError, match="NaN"):
        parse_json("[NaN]", parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))


@pytest.mark.parametrize("text", [DEEP, "{", ""])
def test_what_is_no_json_raises_value_error(text):
    with pytest.raises(ValueError, match=r"too deep|Expecting"):
        parse_json(text)


@pytest.mark.parametrize(
    ("read", "error"),
    [(read_texts, TextError), (lambda path: read_table(path, "text", "label"), DataError),
     (lambda path: files_of(path.read_bytes(), path), AsrError)],
)  # fmt: skip
def test_lists_within_lists_are_named_as_a_bad_line(tmp_path, read, error):
    path = tmp_path / "a.jsonl"
    path.write_text(DEEP)
    with pytest.raises(error, match="line 1"):
        read(path)
