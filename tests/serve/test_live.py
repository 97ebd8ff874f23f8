"""Live speech over WebSockets, by the server's own protocol and by vosk's."""

from __future__ import annotations

import asyncio
import io
import json
import threading

import numpy as np
import pytest
import soundfile
import soxr

pytest.importorskip("websockets", reason="needs the extra serve")

from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.serve.conftest import SPEECH

KEY = "a-key-of-the-test-0123"
BLOCK = 4000  # bytes


@pytest.fixture(scope="module")
def speech() -> tuple[bytes, int]:
    """The recording twice, with silence after each, as 16-bit samples, and its rate."""
    samples, rate = soundfile.read(SPEECH, dtype="int16")
    pause = np.zeros(round(1.5 * rate), np.int16)
    return np.concatenate([samples, pause, samples, pause]).tobytes(), rate


@pytest.fixture(scope="module")
def expected(english, speech) -> list[str]:
    """The texts of the utterances that the recognizer's own stream finds."""
    stream = english.stream(speech[1])
    events = [*stream.push(np.frombuffer(speech[0], np.int16)), *stream.finish()]
    texts = [event.text for event in events if hasattr(event, "end")]
    assert len(texts) >= 2
    return texts


def own_messages(url: str, data: bytes, block: int = BLOCK, **start) -> list[dict]:
    """What the server says to a recording."""
    with connect(url.replace("http", "ws") + "/v1/audio/stream") as socket:
        socket.send(json.dumps({"type": "start", **start}))
        assert json.loads(socket.recv())["type"] == "ready"
        for at in range(0, len(data), block):
            socket.send(data[at : at + block])
        socket.send(json.dumps({"type": "stop"}))
        messages = [json.loads(message) for message in socket]
        assert socket.protocol.close_code == 1000
    return messages


def rest_of(socket) -> list[dict]:
    """All messages until the connection is closed."""
    messages = []
    while True:
        try:
            messages.append(json.loads(socket.recv(timeout=30)))
        except ConnectionClosed:
            return messages


@pytest.mark.parametrize("block", [4000, 1777])
def test_a_stream_gives_the_words_of_the_recognizers_stream(server, speech, expected, block):
    data, rate = speech
    messages = own_messages(server.url, data, block, rate=rate)
    utterances = [message for message in messages if message["type"] == "utterance"]
    assert [utterance["text"] for utterance in utterances] == expected
    for utterance in utterances:
        assert " ".join(word["word"] for word in utterance["words"]) == utterance["text"]
        assert all(utterance["start"] <= word["start"] < word["end"] for word in utterance["words"])
    partials = [message for message in messages if message["type"] == "partial"]
    assert all(0 <= partial["fixed"] <= len(partial["words"]) for partial in partials)
    assert len(partials) > 4
    assert messages[-1] == {"type": "done", "seconds": round(len(data) / 2 / rate, 3)}
    assert server.service.streams == 0


@pytest.mark.parametrize("form", ["ogg", "opus"])
def test_opus_gives_the_words_of_what_it_holds(server, english, speech, form):
    av = pytest.importorskip("av", reason="needs the extra av")
    samples = np.frombuffer(speech[0], np.int16)
    file = io.BytesIO()
    soundfile.write(file, soxr.resample(samples, speech[1], 48000), 48000, format="OGG", subtype="OPUS")
    data = file.getvalue()
    heard = soundfile.read(io.BytesIO(data), dtype="float32")[0]
    if form == "opus":  # packets by themselves do not say how much at the beginning is the coder's own (RFC 7845)
        skipped = int.from_bytes(data[data.index(b"OpusHead") + 10 :][:2], "little")
        heard = np.concatenate([np.zeros(skipped, np.float32), heard])
    stream = english.stream(48000)
    expected = [e.text for e in [*stream.push(heard), *stream.finish()] if hasattr(e, "end")]
    if form == "ogg":
        messages = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    else:
        with av.open(io.BytesIO(data)) as container:
            messages = [bytes(packet) for packet in container.demux(audio=0)]
    with connect(server.url.replace("http", "ws") + "/v1/audio/stream") as socket:
        socket.send(json.dumps({"type": "start", "rate": 8000, "format": form}))
        assert json.loads(socket.recv())["rate"] == 48000
        for message in messages:
            socket.send(message)
        socket.send(json.dumps({"type": "stop"}))
        said = [json.loads(message) for message in socket]
    assert [message["text"] for message in said if message["type"] == "utterance"] == expected
    assert said[-1]["seconds"] == pytest.approx(len(heard) / 48000, abs=0.1)


def test_an_hour_of_silence_in_one_message_is_refused(server):
    pytest.importorskip("av", reason="needs the extra av")
    packet = b"\xf8\xff\xfe"  # 20 ms of silence
    page = lambda kind, body, lengths: b"OggS\0" + bytes([kind]) + bytes(20) + bytes([len(lengths), *lengths]) + body  # noqa: E731
    head = b"OpusHead\x01\x01" + bytes(9)
    pages = page(2, head, [19]) + page(0, b"OpusTags", [8]) + 100 * page(0, 255 * packet, [3] * 255)
    with connect(server.url.replace("http", "ws") + "/v1/audio/stream") as socket:
        socket.send('{"type": "start", "format": "ogg"}')
        socket.send(pages)
        *_, last = rest_of(socket)
        assert last["error"]["code"] == "too_long"


def test_vosks_clients_get_an_answer_to_each_block(server, speech, expected):
    """As vosk-server's test client does it: send a block, wait for the answer, and so on; at last eof."""
    data, rate = speech
    finals, partials = [], 0
    with connect(server.url.replace("http", "ws") + "/vosk") as socket:
        socket.send(json.dumps({"config": {"sample_rate": rate, "words": 1}}))
        for at in range(0, len(data), 8000):
            socket.send(data[at : at + 8000])
            answer = json.loads(socket.recv(timeout=30))
            if "text" in answer:
                finals.append(answer)
            else:
                assert set(answer) == {"partial"}
                partials += bool(answer["partial"])
        socket.send('{"eof" : 1}')
        finals.append(json.loads(socket.recv(timeout=30)))
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)
    assert " ".join(final["text"] for final in finals).split() == " ".join(expected).split()
    assert partials
    for final in finals[:1]:
        assert " ".join(word["word"] for word in final["result"]) == final["text"]
        assert set(final["result"][0]) == {"word", "start", "end", "conf"}


@pytest.mark.parametrize(
    ("messages", "word"),
    [
        (["{"], "JSON"),
        (["[1]"], "JSON"),
        ([b"\0\0"], "JSON"),
        (['{"type": "stop"}'], "start"),
        (['{"type": "start", "rate": 1e99}'], "rate"),
        (['{"type": "start", "rate": NaN}'], "rate"),
        (['{"type": "start", "rate": "16000"}'], "rate"),
        (['{"type": "start", "format": "mp3"}'], "format"),
        (['{"type": "start", "format": []}'], "format"),
        (['{"type": "start", "format": "ogg"}', b"RIFF" + bytes(100)], "Ogg"),
        (['{"type": "start", "format": "opus"}', b"\xff" * 40], "Opus"),
        (['{"type": "start", "hotwords": "seven"}'], "hotwords"),
        (['{"type": "start"}', '{"type": "start"}'], "stop"),
        (["[" * 100_000], "JSON"),
    ],
)
def test_a_wrong_message_is_answered_with_the_reason(server, messages, word):
    with connect(server.url.replace("http", "ws") + "/v1/audio/stream") as socket:
        for message in messages:
            socket.send(message)
        *_, last = rest_of(socket)
        assert last["type"] == "error"
        assert word in last["error"]["message"]
        assert socket.protocol.close_code == 1008


def test_a_hotword_that_is_no_text_is_left_out(server):
    with connect(server.url.replace("http", "ws") + "/v1/audio/stream") as socket:
        socket.send('{"type": "start", "hotwords": ["\\ud800", "morning"]}')
        assert json.loads(socket.recv()) == {"type": "ready", "rate": 16000, "hotwords_left_out": 1}


def test_pages_of_other_sites_and_too_many_streams_are_refused(start):
    with start(max_streams=1) as server:
        url = server.url.replace("http", "ws") + "/v1/audio/stream"
        with pytest.raises(InvalidStatus) as refused:
            connect(url, additional_headers={"Origin": "https://evil.example"})
        assert refused.value.response.status_code == 403
        with connect(url):
            with pytest.raises(InvalidStatus) as full:
                connect(url)
            assert full.value.response.status_code == 429
        with connect(url, additional_headers={"Origin": server.url}):
            pass


def test_a_key_comes_in_the_header_or_in_the_first_message(start, speech):
    data, rate = speech
    with start(api_keys=(KEY,)) as server:
        messages = own_messages(server.url, data[:16000], rate=rate, key=KEY)
        assert messages[-1]["type"] == "done"
        url = server.url.replace("http", "ws")
        with connect(url + "/v1/audio/stream") as socket:
            socket.send(json.dumps({"type": "start", "key": "wrong"}))
            assert json.loads(socket.recv())["error"]["code"] == "invalid_api_key"
        with connect(url + "/vosk", additional_headers={"Authorization": f"Bearer {KEY}"}) as socket:
            socket.send(bytes(8000))
            assert json.loads(socket.recv(timeout=30)) == {"partial": ""}
        with connect(url + "/vosk") as socket:
            socket.send(bytes(8000))
            assert json.loads(socket.recv(timeout=30))["error"]["code"] == "invalid_api_key"


def test_a_client_of_vosk_without_a_key_is_refused_at_its_first_message(start):
    with start(api_keys=(KEY,)) as server:
        for messages in (['{"config": {"words": true}}'], ["{}"], ['{"eof": 1}']):
            with connect(server.url.replace("http", "ws") + "/vosk") as socket:
                for message in messages:
                    socket.send(message)
                assert json.loads(socket.recv(timeout=30))["error"]["code"] == "invalid_api_key"


def test_a_silent_client_is_sent_away(start):
    with start(stream_idle_seconds=0.3) as server, connect(server.url.replace("http", "ws") + "/vosk") as socket:
        socket.send(bytes(8000))
        assert "partial" in json.loads(socket.recv(timeout=30))
        assert json.loads(socket.recv(timeout=30))["error"]["code"] == "timeout"


def test_a_client_that_does_not_read_loses_its_place(start, speech, monkeypatch):
    data, rate = speech

    async def nowhere_to_write(self, text):
        await asyncio.Event().wait()

    with start(stream_idle_seconds=0.5) as server:
        with connect(server.url.replace("http", "ws") + "/v1/audio/stream") as socket:
            socket.send(json.dumps({"type": "start", "rate": rate}))
            assert json.loads(socket.recv())["type"] == "ready"
            monkeypatch.setattr(WebSocket, "send_text", nowhere_to_write)
            socket.send(data)
            assert rest_of(socket) == []
        assert server.service.streams == 0


def test_what_was_said_is_sent_before_a_client_is_sent_away(start, speech, expected):
    data, rate = speech
    half = len(data) // 4 * 2
    for last in ([], [json.dumps({"type": "nonsense"})]):
        with (
            start(stream_idle_seconds=60.0 if last else 2.0) as server,
            connect(server.url.replace("http", "ws") + "/v1/audio/stream") as socket,
        ):
            socket.send(json.dumps({"type": "start", "rate": rate}))
            for message in [data[: half - 2 * rate], *last]:  # without the silence that would end the utterance
                socket.send(message)
            *_, words, error = rest_of(socket)
            assert words["text"] == expected[0]
            assert error["error"]["code"] == ("invalid" if last else "timeout")


def test_what_was_said_is_sent_when_the_server_stops(start, speech, expected):
    data, rate = speech
    with start() as server, connect(server.url.replace("http", "ws") + "/v1/audio/stream") as socket:
        socket.send(json.dumps({"type": "start", "rate": rate}))
        half = len(data) // 4 * 2
        socket.send(data[: half - 2 * rate])  # without the silence that would end the utterance
        assert json.loads(socket.recv())["type"] == "ready"
        first = json.loads(socket.recv(timeout=30))
        assert first["type"] == "partial"
        threading.Timer(0.5, server.service.stop).start()
        texts = rest_of(socket)
        assert [text["text"] for text in texts if text["type"] == "utterance"] == expected[:1]
        assert socket.protocol.close_code in (1001, 1012)
