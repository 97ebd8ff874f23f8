"""The HTTP interface: OpenAI's forms, their client, curl, and what is refused."""

from __future__ import annotations

import errno
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import openai
import pytest
import soundfile

from asr.errors import ConfigError
from asr.recognizer.recognizer import Recognizer
from asr.serve.settings import ServerSettings
from asr.serve.work_queue import Turns
from tests.conftest import speech_like
from tests.serve.conftest import SPEECH

PATH = "/v1/audio/transcriptions"
KEY = "a-key-of-the-test-0123"


@pytest.fixture(scope="module")
def expected(english):
    return english.transcribe(SPEECH)


def post(server, content: bytes = b"", headers=None, name="hello.flac", **fields) -> httpx.Response:
    data = {key.replace("granularities", "timestamp_granularities[]"): value for key, value in fields.items()}
    files = {"file": (name, content or SPEECH.read_bytes())}
    return httpx.post(server.url + PATH, files=files, data=data, headers=headers, timeout=60)


def error_of(response: httpx.Response) -> dict:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    return body["error"]


def leftovers() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("asr-*")}


def test_each_form_holds_the_transcript_of_the_recognizer(server, expected):
    assert expected.words
    assert post(server).json()["text"] == expected.text
    assert post(server, response_format="text").text == expected.to_txt()
    assert post(server, response_format="srt").text == expected.to_srt()
    vtt = post(server, response_format="vtt")
    assert (vtt.text, vtt.headers["content-type"]) == (expected.to_vtt(), "text/vtt; charset=utf-8")
    verbose = post(server, response_format="verbose_json", granularities=["word", "segment"]).json()
    assert verbose["text"] == expected.text
    assert verbose["language"] == "english"
    assert verbose["duration"] == pytest.approx(expected.duration, abs=1e-3)
    assert [w["word"] for w in verbose["words"]] == [w.word for w in expected.words]
    assert [w["start"] for w in verbose["words"]] == pytest.approx([w.start for w in expected.words], abs=1e-3)
    assert "".join(segment["text"] for segment in verbose["segments"]).strip() == expected.text
    assert "words" not in post(server, response_format="verbose_json").json()


def test_openais_client_reads_every_form_and_streams(server, expected):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
    assert "whisper-1" in [model.id for model in client.models.list()]
    with SPEECH.open("rb") as file:
        assert client.audio.transcriptions.create(model="whisper-1", file=file).text == expected.text
    with SPEECH.open("rb") as file:
        verbose = client.audio.transcriptions.create(
            model="english", file=file, response_format="verbose_json", timestamp_granularities=["word"], language="en"
        )
    assert [word.word for word in verbose.words] == [word.word for word in expected.words]
    with SPEECH.open("rb") as file:
        events = list(client.audio.transcriptions.create(model="whisper-1", file=file, stream=True))
    assert "".join(e.delta for e in events if e.type == "transcript.text.delta") == expected.text
    assert (events[-1].type, events[-1].text) == ("transcript.text.done", expected.text)
    with SPEECH.open("rb") as file, pytest.raises(openai.NotFoundError, match="no model 'other'"):
        client.audio.transcriptions.create(model="other", file=file)
    with SPEECH.open("rb") as file, pytest.raises(openai.BadRequestError, match="not 'de'"):
        client.audio.transcriptions.create(model="english", file=file, language="de")


def test_streamed_words_come_before_the_recording_is_done(server):
    speech, rate = soundfile.read(SPEECH, dtype="float32")
    long = np.concatenate([speech, np.zeros(rate, np.float32)] * 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.flac"
        soundfile.write(path, long, rate)
        content = path.read_bytes()
    whole = post(server, content).json()["text"]
    deltas, ends = [], []
    with httpx.stream(
        "POST", server.url + PATH, files={"file": ("long.flac", content)}, data={"stream": "true"}, timeout=60
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            if line:
                values = json.loads(line.removeprefix("data: "))
                (deltas if "delta" in values else ends).append(values)
    assert len(deltas) > 1
    assert "".join(delta["delta"] for delta in deltas) == whole
    assert [end["text"] for end in ends] == [whole]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_gets_subtitles(server, expected):
    command = ["curl", "-sS", "-F", f"file=@{SPEECH}", "-F", "response_format=srt", server.url + PATH]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == expected.to_srt()


def test_the_prompts_phrases_are_hotwords_and_the_rest_is_counted(server):
    response = post(server, prompt="seven, 日本語; this is a sentence of more than six words, three")
    assert response.status_code == 200
    assert response.headers["x-hotwords-left-out"] == "2"
    recognizer, left_out = server.service.with_prompt("seven, nine")
    assert (recognizer is not server.service.recognizer, left_out) == (True, 0)
    assert post(server, prompt="9" * 6000).status_code == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "docx"}, "response_format"),
        ({"temperature": "hot"}, "temperature"),
        ({"granularities": "syllable"}, "timestamp_granularities[]"),
        ({"stream": "perhaps"}, "stream"),
    ],
)
def test_a_wrong_value_is_named(server, fields, param):
    response = post(server, **fields)
    assert response.status_code == 400
    assert error_of(response)["param"] == param


def test_errors_have_one_form(server):
    for response, status in (
        (httpx.get(server.url + "/nothing"), 404),
        (httpx.get(server.url + PATH), 405),
        (httpx.post(server.url + PATH), 400),
        (httpx.post(server.url + PATH, content=b"x", headers={"content-type": "multipart/form-data"}), 400),
        (httpx.post(server.url + PATH, json={"file": "/etc/passwd"}), 400),
        (httpx.post(server.url + PATH, data={"file": "/etc/passwd"}), 400),
        (httpx.post(server.url + PATH, data={"file": "http://127.0.0.1/a.wav"}), 400),
    ):
        assert response.status_code == status
        assert error_of(response)["message"]


PLAYLIST = b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
HOSTILE = {
    "empty": b"",
    "text": b"root:x:0:0:root:/root:/bin/bash\n" * 50,
    "playlist": PLAYLIST,
    "concat": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "playlist-as-aac": b"\xff\xf1" + PLAYLIST,
    "zeros": bytes(100_000),
    "riff-that-lies": b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80>\x00\x00\x00}\x00\x00\x02\x00"
    b"\x10\x00data\xf0\xff\xff\x6f" + bytes(1000),
    "ftyp": b"\x00\x00\x00\x20ftypisom" + bytes(range(256)) * 20,
    "webm": b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 20,
    "ogg": b"OggS" + bytes(range(256)) * 20,
    "flac": b"fLaC" + bytes(range(256)) * 20,
    "half-a-flac": SPEECH.read_bytes()[:2000],
    "nan": b"RIFF" + (36 + 400).to_bytes(4, "little") + b"WAVEfmt \x10\x00\x00\x00\x03\x00\x01\x00\x80>\x00\x00\x00\xfa"
    b"\x00\x00\x04\x00\x20\x00data" + (400).to_bytes(4, "little") + b"\x00\x00\xc0\x7f" * 100,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_uploads_are_refused_and_leave_nothing(server, name):
    before = leftovers()
    files = {"file": ("../../../tmp/x\x00y\n.wav", HOSTILE[name])}
    response = httpx.post(server.url + PATH, files=files, timeout=60)
    assert response.status_code == 400, response.text
    message = error_of(response)["message"]
    assert "root:" not in message
    assert "/tmp/" not in message
    assert f"{Path.home()}/" not in message
    assert leftovers() <= before
    assert post(server).status_code == 200


@pytest.mark.parametrize("place", [(tempfile.SpooledTemporaryFile, "write"), (shutil, "copyfileobj")])
def test_a_full_disk_is_the_servers_fault_and_said_in_its_log(server, monkeypatch, caplog, place):
    """In the form's temporary file, and in that of the audio."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*place, full)
    answer = post(server)
    assert (answer.status_code, error_of(answer)["code"]) == (503, "no_room")
    assert "retry-after" in answer.headers
    assert "No space left on device" in caplog.text
    assert "device" not in answer.text
    monkeypatch.undo()
    assert post(server).status_code == 200


def test_a_file_beyond_the_limits_is_refused(start, english):
    with start(max_bytes=250_000, max_audio_seconds=10.0) as server:
        large = post(server, bytes(600_000))
        assert (large.status_code, error_of(large)["code"]) == (413, "too_large")

        def chunks():
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            for _ in range(30):
                yield bytes(10_000)

        headers = {"content-type": "multipart/form-data; boundary=x"}
        unsaid = httpx.post(server.url + PATH, content=chunks(), headers=headers, timeout=60)
        assert (unsaid.status_code, error_of(unsaid)["code"]) == (413, "too_large")
        with tempfile.NamedTemporaryFile(suffix=".flac") as file:
            soundfile.write(file.name, np.zeros(16000 * 3600, np.float32), 16000)  # an hour in few bytes
            content = Path(file.name).read_bytes()
        assert len(content) < 250_000
        long = post(server, content)
        assert (long.status_code, error_of(long)["code"]) == (413, "too_long")
        streamed = post(server, content, stream="true")
        assert (streamed.status_code, error_of(streamed)["code"]) == (413, "too_long")


def test_a_slow_upload_is_ended(start):
    with start(upload_seconds=0.5) as server:
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            head = f"POST {PATH} HTTP/1.1\r\nHost: {server.address}\r\nContent-Length: 1000\r\n"
            connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode())
            assert b" 408 " in connection.recv(4096)
        wait_until(lambda: server.service.admitted == 0)  # the answer is sent a moment before


def test_keys_are_asked_for(start):
    with start(api_keys=(KEY, "another-key-of-the-test")) as server:
        assert error_of(post(server))["code"] == "invalid_api_key"
        for wrong in ("x", KEY[:-1], KEY + "x", "Ünwahr"):
            headers = {"Authorization": f"Bearer {wrong}".encode()}
            assert post(server, headers=headers).status_code == 401
        assert post(server, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
        for path, status in (("/metrics", 401), ("/v1/models", 401), ("/healthz", 200), ("/readyz", 200), ("/", 200)):
            assert httpx.get(server.url + path).status_code == status


def test_pages_of_other_sites_are_refused(start):
    with start(allowed_origins=("https://friend.example",)) as server:
        for headers, status in (
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Host": "evil.example"}, 403),
            ({"Origin": "https://friend.example"}, 200),
            ({"Origin": server.url}, 200),
        ):
            assert post(server, headers=headers).status_code == status


def test_pages_of_allowed_sites_may_send_keys_and_read_answers(start):
    ours, key = {"Origin": "https://friend.example"}, {"Authorization": f"Bearer {KEY}"}
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with start(allowed_origins=("https://friend.example",), api_keys=(KEY,)) as server:
        asked = httpx.options(server.url + PATH, headers=ours | asking)
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == "https://friend.example"
        assert "authorization" in asked.headers["access-control-allow-headers"].lower()
        assert "POST" in asked.headers["access-control-allow-methods"]
        for headers, status in ((ours, 401), (ours | key, 200)):
            answer = post(server, headers=headers)
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == "https://friend.example"
        foreign = httpx.options(server.url + PATH, headers=asking | {"Origin": "https://evil.example"})
        assert foreign.status_code == 400
        assert "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize("origin", ["friend.example", "*", "null", "https://friend.example/", "https://A.example"])
def test_origins_that_no_browser_sends_are_refused(origin):
    with pytest.raises(ConfigError, match="in lower case as https"):
        ServerSettings(allowed_origins=(origin,))


def test_a_model_is_described_by_its_name(server):
    listed = httpx.get(f"{server.url}/v1/models").json()["data"]
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none")
    assert client.models.retrieve("english").to_dict() == listed[0]
    missing = httpx.get(f"{server.url}/v1/models/klingon")
    assert (missing.status_code, error_of(missing)["code"]) == (404, "model_not_found")


class Slow:
    """A recognizer's backend that waits until it is told to go on."""

    def __init__(self, backend) -> None:
        self._backend, self.go, self.calls = backend, threading.Event(), 0

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def log_probs(self, pieces):
        self.calls += 1
        assert self.go.wait(120)
        return self._backend.log_probs(pieces)


def wait_until(condition) -> None:
    deadline = time.monotonic() + 90  # machines that run tests are busy
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_full_server_says_when_to_come_back_and_loses_nothing(english, expected):
    from tests.serve.conftest import running

    slow = Slow(english.backend)
    with running(Recognizer(slow, english.decoder), workers=2, max_waiting=1) as server, ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(post, server) for _ in range(3)]
        wait_until(lambda: server.service.admitted == 3)
        refused = post(server)
        assert (refused.status_code, error_of(refused)["type"]) == (429, "rate_limit_error")
        assert int(refused.headers["retry-after"]) >= 1
        slow.go.set()
        assert [answer.result().json()["text"] for answer in answers] == [expected.text] * 3
        assert post(server).status_code == 200


def test_what_runs_ends_and_what_waits_gets_503_when_the_server_stops(english, expected):
    from tests.serve.conftest import running

    slow = Slow(english.backend)
    with running(Recognizer(slow, english.decoder), workers=1) as server, ThreadPoolExecutor(4) as pool:
        first = pool.submit(post, server)
        wait_until(lambda: slow.calls == 1)
        second = pool.submit(post, server)
        wait_until(lambda: server.service.admitted == 2)
        server.service.stop()
        assert second.result().status_code == 503
        assert post(server).status_code == 503
        assert httpx.get(server.url + "/readyz").status_code == 503
        assert httpx.get(server.url + "/healthz").status_code == 200
        slow.go.set()
        assert first.result().json()["text"] == expected.text


def test_what_runs_for_too_long_when_the_server_stops_is_given_up(english):
    from tests.serve.conftest import running

    slow = Slow(english.backend)
    with running(Recognizer(slow, english.decoder), stop_seconds=0.1) as server, ThreadPoolExecutor(2) as pool:
        answer, events = pool.submit(post, server), pool.submit(post, server, stream="true")
        wait_until(lambda: server.service.admitted == 2 and slow.calls)
        server.service.stop()
        time.sleep(0.3)
        slow.go.set()
        assert (answer.result().status_code, error_of(answer.result())["code"]) == (503, "stopping")
        last = json.loads(events.result().text.split("data: ")[-1])  # the answer, or what comes after the first words
        assert last["error"]["code"] == "stopping"


@pytest.mark.parametrize("form", [{}, {"stream": "true"}])  # of a stream: before its first words
def test_a_client_that_goes_away_ends_its_work(english, form):
    from tests.serve.conftest import running

    slow = Slow(english.backend)
    with running(Recognizer(slow, english.decoder), workers=1) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, server)
        wait_until(lambda: slow.calls == 1)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(server.url + PATH, files={"file": SPEECH.read_bytes()}, data=form, timeout=0.3)
        wait_until(lambda: server.service.admitted == 1)  # while the first one still computes
        slow.go.set()
        assert first.result().status_code == 200
        assert slow.calls == 1
        counts = server.service.requests
        wait_until(lambda: counts.value(path=PATH, status="499") == 1)
        assert counts.value(path=PATH, status="503") == 0


def test_an_upload_that_breaks_off_is_counted_as_the_clients(start):
    with start() as server:
        host, port = urlsplit(server.url).hostname, urlsplit(server.url).port
        with socket.create_connection((host, port)) as connection:
            connection.sendall(
                f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n".encode()
                + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
                + b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF'
            )
            wait_until(lambda: server.service.admitted == 1)
        wait_until(lambda: server.service.requests.value(path=PATH, status="499") == 1)
        assert server.service.admitted == 0


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/v1/models"])
def test_monitors_may_ask_for_the_head_alone(server, path):
    head, whole = httpx.head(server.url + path), httpx.get(server.url + path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize(
    "content",
    [{"content": b"RIFF"}, {"json": {"file": "a.wav"}}, {"data": {"file": "a.wav"}}, {"files": {"f": b"RIFF"}}],
)
def test_a_recording_that_is_no_file_of_a_form_is_told_how_to_be_sent(server, content):
    error = error_of(httpx.post(server.url + PATH, **content))
    assert error["param"] == "file"
    assert "in the field `file` of a form" in error["message"]


def test_requests_share_batches(english):
    from tests.serve.conftest import running

    slow = Slow(english.backend)
    settings = {"workers": 6, "turns": 6, "network_passes": 1}
    with running(Recognizer(slow, english.decoder), **settings) as server, ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(post, server)]
        wait_until(lambda: slow.calls == 1)
        answers += [pool.submit(post, server) for _ in range(5)]
        wait_until(lambda: len(server.service._backend._waiting) == 5)
        slow.go.set()
        assert len({answer.result().json()["text"] for answer in answers}) == 1
        assert slow.calls <= 3


def test_turns_are_handed_on_in_order_and_a_short_recording_need_not_wait_for_a_long_one():
    turns, order, begun = Turns(1), [], threading.Event()

    def long() -> None:
        with turns:
            begun.set()
            wait_until(lambda: len(turns._waiting) == 2)
            for part in range(3):
                order.append(f"long {part}")
                turns.pass_on()

    def short(name: str) -> None:
        with turns:
            order.append(name)

    threads = [threading.Thread(target=long)]
    threads[0].start()
    assert begun.wait(60)
    for name in ("a", "b"):
        waiting = len(turns._waiting)
        threads.append(threading.Thread(target=short, args=(name,)))
        threads[-1].start()
        wait_until(lambda waiting=waiting: len(turns._waiting) > waiting)
    for thread in threads:
        thread.join(60)
    assert order == ["long 0", "a", "b", "long 1", "long 2"]
    with turns:
        pass  # the place is free again


def test_metrics_count_requests_and_audio(start, expected):
    with start() as server:
        assert post(server).status_code == 200
        httpx.get(server.url + "/wp-login.php")
        lines = httpx.get(server.url + "/metrics").text.splitlines()
        assert f'asr_requests_total{{path="{PATH}",status="200"}} 1' in lines
        assert 'asr_requests_total{path="other",status="404"} 1' in lines
        values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        assert float(values["asr_audio_seconds_total"]) == pytest.approx(expected.duration)
        assert values["asr_request_seconds_count"] == values['asr_request_seconds_bucket{le="+Inf"}'] == "1"
        assert values["asr_requests_admitted"] == "0"


def test_an_event_loop_is_not_blocked_by_work(english):
    """While the network waits, other requests are answered."""
    from tests.serve.conftest import running

    slow = Slow(english.backend)
    with running(Recognizer(slow, english.decoder), workers=1) as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, server)
        wait_until(lambda: slow.calls == 1)
        assert httpx.get(server.url + "/healthz", timeout=5).status_code == 200
        slow.go.set()
        assert answer.result().status_code == 200


def test_speech_like_noise_is_answered(server):
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        soundfile.write(file.name, speech_like(2.0, 8000), 8000)
        assert post(server, Path(file.name).read_bytes()).status_code == 200
