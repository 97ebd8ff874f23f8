"""Words in, subtitles out: what the page and the command line write is the same."""

from __future__ import annotations

import httpx
import pytest

from asr.decode.timed import Word
from asr.recognizer.transcript import Transcript

WORDS = [Word(f"word{number}", 0.4 * number, 0.4 * number + 0.3, 1.0) for number in range(60)]
SENT = [{"word": word.word, "start": word.start, "end": word.end} for word in WORDS]


def ask(server, words, **more) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/audio/subtitles", json={"words": words, **more}, timeout=60)


def test_subtitles_are_those_of_the_command_line(server):
    transcript = Transcript("", 24.0, tuple(WORDS))
    cues = ask(server, SENT, duration=24.0).json()["cues"]
    assert [(cue["start"], cue["end"], cue["text"]) for cue in cues] == [
        (cue.start, cue.end, cue.text) for cue in transcript.cues
    ]
    assert len(cues) > 3
    for form, text in (("srt", transcript.to_srt()), ("vtt", transcript.to_vtt())):
        answer = ask(server, SENT, duration=24.0, response_format=form)
        assert answer.text == text
        assert form in answer.headers["content-type"].replace("subrip", "srt")
    unknown = ask(server, SENT).json()["cues"]
    assert [cue["text"] for cue in unknown] == [cue["text"] for cue in cues]
    assert unknown[-1]["end"] > cues[-1]["end"] == 24.0
    assert ask(server, []).json() == {"cues": []}


@pytest.mark.parametrize(
    "words",
    [
        [{"word": " \n", "start": 0, "end": 1}],
        [{"word": "", "start": 0, "end": 1}],
        [{"word": "a", "start": 1, "end": 0.5}],
        [{"word": "a", "start": 1, "end": 2}, {"word": "b", "start": 0, "end": 1}],
        [{"word": "a", "start": -1, "end": 1}],
        [{"word": "a", "start": 0, "end": 1e99}],
        [{"word": "a" * 201, "start": 0, "end": 1}],
        [{"word": "a"}],
        "words",
        None,
    ],
)
def test_impossible_words_are_refused(server, words):
    answer = ask(server, words)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "words"


def test_a_body_without_the_type_of_json_is_told_what_to_send(server):
    content = b'{"words": []}'
    headers = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl -d` sends
    answer = httpx.post(f"{server.url}/v1/audio/subtitles", content=content, headers=headers)
    assert answer.status_code == 400
    assert "`Content-Type: application/json`" in answer.json()["error"]["message"]


def test_numbers_that_are_none_and_too_much_text_are_refused(server):
    url = f"{server.url}/v1/audio/subtitles"
    for value in ("NaN", "Infinity", "1" + "0" * 5000, '"\\ud800"', "[" * 100_000):
        text = f'{{"words": [{{"word": "a", "start": 0, "end": {value}}}]}}'
        answer = httpx.post(url, content=text, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, value[:20]
    answer = httpx.post(url, content=bytes(9 << 20), headers={"Content-Type": "application/json"}, timeout=60)
    assert answer.status_code == 413
