"""A server of the shipped model, in this process or as one of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

import uvicorn

from asr.recognizer.recognizer import Recognizer
from asr.serve.app import create_app
from asr.serve.run import configuration
from asr.serve.service import Service
from asr.serve.settings import ServerSettings

SPEECH = Path(__file__).parents[1] / "speech" / "hello.flac"


@pytest.fixture(scope="session")
def english() -> Recognizer:
    """The shipped model, with its n-gram alone, on one thread."""
    return Recognizer.load("english", neural_lm="none", raw=True, device="cpu", threads=1)


class Running:
    """A server that listens on a free port."""

    def __init__(self, address: str, service: Service) -> None:
        self.address, self.service = address, service
        self.url = f"http://{address}"


@contextmanager
def running(recognizer: Recognizer, **settings) -> Iterator[Running]:
    """A server in a thread of this process."""
    app = create_app(recognizer, ServerSettings(port=0, model_name="english", **settings))
    config = configuration(app)
    config.timeout_graceful_shutdown = 5
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 90
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Running(f"127.0.0.1:{port}", app.state.service)
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def server(english: Recognizer) -> Iterator[Running]:
    """A server with the default settings."""
    with running(english) as started:
        yield started


@pytest.fixture
def start(english: Recognizer) -> Callable:
    """A function that starts a server with settings of the test's own."""
    return lambda **settings: running(english, **settings)
