from __future__ import annotations

import itertools
import json

import pytest

from asr.errors import ConfigError
from asr.recognizer.transcript import FORMATS, Transcript, Word, cues

WORDS = (
    Word("hello", 0.5, 0.9, 0.98765),
    Word("there", 1.0, 1.25, 0.5),
    Word("later", 62.0, 62.52, 1.0),
)
TRANSCRIPT = Transcript("dir/my talk.wav", 63.0, WORDS)


def test_formats_are_as_their_readers_expect():
    written = {name: render(TRANSCRIPT) for name, render in FORMATS.items()}
    assert written["txt"] == "hello there later\n"
    assert written["srt"] == (
        "1\n00:00:00,500 --> 00:00:01,250\nhello there\n\n2\n00:01:02,000 --> 00:01:02,600\nlater\n\n"
    )
    assert written["vtt"].startswith("WEBVTT\n\n00:00:00.500 --> 00:00:01.250\nhello there\n\n")
    assert written["tsv"].splitlines()[:2] == ["start\tend\tword\tconfidence", "0.500\t0.900\thello\t0.9877"]
    assert written["ctm"].splitlines()[0] == "my_talk 1 0.500 0.400 hello 0.9877"
    assert json.loads(written["json"]) == {
        "file": "dir/my talk.wav",
        "text": "hello there later",
        "duration": 63.0,
        "words": [
            {"word": "hello", "start": 0.5, "end": 0.9, "confidence": 0.9877},
            {"word": "there", "start": 1.0, "end": 1.25, "confidence": 0.5},
            {"word": "later", "start": 62.0, "end": 62.52, "confidence": 1.0},
        ],
    }


def test_nothing_said_is_legal_in_every_format():
    empty = Transcript("a.wav", 1.0, ())
    assert FORMATS["txt"](empty) == "\n"
    assert FORMATS["srt"](empty) == ""
    assert FORMATS["vtt"](empty) == "WEBVTT\n\n"
    assert json.loads(FORMATS["json"](empty))["words"] == []


def test_subtitles_stay_short_and_in_order():
    words = tuple(Word(f"word{i:02d}", 0.4 * i, 0.4 * i + 0.35, 1.0) for i in range(100))
    found = cues(words)
    assert " ".join(cue.text for cue in found) == " ".join(word.word for word in words)
    assert all(len(cue.text) <= 84 and cue.end - cue.start <= 6.01 for cue in found)
    assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(found))


def test_a_transcript_writes_itself_in_the_format_that_a_name_asks_for(tmp_path):
    for name, render in FORMATS.items():
        assert getattr(TRANSCRIPT, f"to_{name}")() == render(TRANSCRIPT)
        TRANSCRIPT.write(tmp_path / f"talk.{name}")
        assert (tmp_path / f"talk.{name}").read_text() == render(TRANSCRIPT)
    TRANSCRIPT.write(tmp_path / "talk.lines", "ctm")
    assert (tmp_path / "talk.lines").read_text() == TRANSCRIPT.to_ctm()
    for path, format in (("talk.pdf", None), ("talk", None), ("talk.txt", "html5")):
        with pytest.raises(ConfigError, match="no transcript format; choose one of txt, json"):
            TRANSCRIPT.write(tmp_path / path, format)
