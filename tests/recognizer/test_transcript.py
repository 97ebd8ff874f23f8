from __future__ import annotations

import json

import numpy as np
import pytest

from asr.errors import ConfigError
from asr.recognizer.transcript import FORMATS, Transcript, Word

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
        "1\n00:00:00,480 --> 00:00:01,680\nhello there\n\n2\n00:01:02,000 --> 00:01:03,000\nlater\n\n"
    )
    assert written["vtt"].startswith("WEBVTT\n\n00:00:00.480 --> 00:00:01.680\nhello there\n\n")
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
    assert json.loads(FORMATS["verbose_json"](empty))["segments"] == []
    assert "intervals: size = 1" in FORMATS["TextGrid"](empty)
    assert "xmax = 0.0001" in Transcript("a.wav", 0.0, ()).to_textgrid()  # Praat refuses an empty interval


READ = Transcript(
    "talk.wav", 90.0,
    (
        Word("it", 0.0, 0.2, 0.9, display="It"), Word("was", 0.2, 0.4, 0.9, display="was"),
        Word("nineteen", 0.4, 0.8, 0.9, display="1984."), Word("eighty", 0.8, 1.1, 0.9, display=""),
        Word("four", 1.1, 1.4, 0.9, display=""), Word("tom", 4.0, 4.4, 0.5, display="Tom"),
        Word("left", 4.4, 4.8, 0.5, display="left."),
    ),
)  # fmt: skip


def test_text_is_for_reading_in_paragraphs_and_json_holds_both():
    assert READ.text == "It was 1984. Tom left."
    assert READ.to_txt() == "It was 1984.\n\nTom left.\n"
    values = json.loads(READ.to_json())
    assert (values["text"], values["raw"]) == (READ.text, "it was nineteen eighty four tom left")
    assert [word["display"] for word in values["words"]][2:5] == ["1984.", "", ""]
    assert [word["word"] for word in values["words"]][2:5] == ["nineteen", "eighty", "four"]
    assert "1984" not in READ.to_ctm() + READ.to_tsv() + READ.to_textgrid()
    assert "It was 1984." in READ.to_srt()


def test_verbose_json_has_the_shape_of_openais():
    values = json.loads(READ.to_verbose_json())
    assert list(values) == ["task", "language", "duration", "text", "segments", "words"]
    assert set(values["segments"][0]) == {
        "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob", "compression_ratio",
        "no_speech_prob",
    }  # fmt: skip
    assert "".join(segment["text"] for segment in values["segments"]).strip() == READ.text
    assert values["segments"][-1]["avg_logprob"] == pytest.approx(-0.6931, abs=1e-3)
    assert values["words"][0] == {"word": "it", "start": 0.0, "end": 0.2}


def test_words_with_numbers_of_numpy_are_written_as_others():
    def words(kind):
        return tuple(Word(word.word, kind(word.start), kind(word.end), kind(word.confidence)) for word in WORDS)

    transcript = Transcript("dir/my talk.wav", np.float32(63.0), words(np.float32))  # type: ignore[arg-type]
    plain = Transcript("dir/my talk.wav", 63.0, words(lambda value: float(np.float32(value))))
    for name, render in FORMATS.items():
        assert render(transcript) == render(plain), name


def test_a_textgrid_covers_the_recording_without_holes():
    words = (Word('say "so"', 0.0, 0.5, 1.0), Word("b", 0.4, 0.9, 1.0), Word("c", 0.9, 2.0, 1.0))
    lines = [line.strip() for line in Transcript("a.wav", 2.0, words).to_textgrid().splitlines()]
    at = lines.index("intervals: size = 3") + 1
    assert lines[at : at + 4] == ["intervals [1]:", "xmin = 0.0000", "xmax = 0.5000", 'text = "say ""so"""']
    first = [float(line.split()[-1]) for line in lines[at:] if line.startswith("xmin")]
    last = [float(line.split()[-1]) for line in lines[at:] if line.startswith("xmax")]
    assert first == [0.0, *last[:-1]]
    assert last[-1] == 2.0
    channels = (Word("a", 0.0, 0.5, 1.0, channel=2), Word("b", 0.4, 0.9, 1.0, channel=1))
    grid = Transcript("a.wav", 2.0, channels).to_textgrid()
    assert grid.index('"channel 1"') < grid.index('"channel 2"')


@pytest.mark.parametrize("times", [[(1.0, 2.0), (2.0, 2.0)], [(1.9, 2.0), (2.0, 2.0), (2.0, 2.0)], [(2.0, 2.0)]])
def test_words_without_length_at_the_end_have_intervals_in_a_textgrid(times):
    words = tuple(Word("a", start, end, 1.0) for start, end in times)
    lines = [line.strip() for line in Transcript("a.wav", 2.0, words).to_textgrid().splitlines()]
    first = [float(line.split()[-1]) for line in lines if line.startswith("xmin")]
    last = [float(line.split()[-1]) for line in lines if line.startswith("xmax")]
    assert all(start < end for start, end in zip(first, last, strict=True))
    assert first[2:] == [0.0, *last[2:-1]]
    assert last[0] == last[1] == last[-1]
    assert sum(line == 'text = "a"' for line in lines) == len(words)


def test_a_transcript_writes_itself_in_the_format_that_a_name_asks_for(tmp_path):
    for name, render in FORMATS.items():
        assert getattr(TRANSCRIPT, f"to_{name.lower()}")() == render(TRANSCRIPT)
        TRANSCRIPT.write(tmp_path / f"talk.{name}")
        assert (tmp_path / f"talk.{name}").read_text() == render(TRANSCRIPT)
    TRANSCRIPT.write(tmp_path / "talk.lines", "ctm")
    assert (tmp_path / "talk.lines").read_text() == TRANSCRIPT.to_ctm()
    for path, format in (("talk.pdf", None), ("talk", None), ("talk.txt", "html5")):
        with pytest.raises(ConfigError, match="no transcript format; choose one of txt, json"):
            TRANSCRIPT.write(tmp_path / path, format)
