"""`asr serve` as a process, what it says of itself, and its description of its interface."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import httpx
import pytest

from asr.errors import ConfigError
from asr.serve.settings import ServerSettings
from tests.serve.conftest import SPEECH


def test_the_command_warns_serves_and_stops_in_order(tiny_model):
    command = [sys.executable, "-m", "asr", "serve", "--host", "0.0.0.0", "--port", "0", "--model", str(tiny_model)]
    process = subprocess.Popen([*command, "--threads", "1"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if match := re.search(r"listening on http://0\.0\.0\.0:(\d+)", line):
                break
        assert "without an API key" in said[0]
        url = f"http://127.0.0.1:{match[1]}"
        answer = httpx.post(f"{url}/v1/audio/transcriptions", files={"file": SPEECH.read_bytes()}, timeout=120)
        assert answer.status_code == 200
        assert httpx.get(f"{url}/v1/models").json()["data"][0]["id"] == "tiny"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, 128 + signal.SIGTERM)
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()


def test_the_interface_describes_itself(server):
    paths = httpx.get(server.url + "/openapi.json").json()["paths"]
    assert {"/v1/audio/transcriptions", "/v1/models", "/healthz", "/readyz", "/metrics"} <= set(paths)
    answers = paths["/v1/audio/transcriptions"]["post"]["responses"]
    assert {"200", "400", "401", "413", "429", "503"} <= set(answers)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"port": 70000}, "port"),
        ({"workers": 0}, "workers"),
        ({"max_waiting": -1}, "max_waiting"),
        ({"api_keys": ("short",)}, "16"),
        ({"api_keys": ("a key with ümlaut",)}, "ASCII"),
    ],
)
def test_impossible_settings_are_refused(values, word):
    with pytest.raises(ConfigError, match=word):
        ServerSettings(**values)


@pytest.mark.parametrize(
    ("host", "keys", "warns"),
    [
        ("127.0.0.1", (), False),
        ("::1", (), False),
        ("localhost", (), False),
        ("0.0.0.0", (), True),
        ("example.org", (), True),
        ("0.0.0.0", ("a-key-of-the-test-0123",), False),
    ],
)
def test_an_open_server_without_a_key_says_what_that_means(host, keys, warns):
    warning = ServerSettings(host=host, api_keys=keys).warning()
    assert (warning is not None) == warns
