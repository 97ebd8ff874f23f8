"""The server as a process: it listens, and stops in order."""

from __future__ import annotations

import asyncio
import math
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from asr.allocator import return_freed_memory
from asr.callbacks import Note
from asr.serve.service import Service

STREAM_SECONDS = 5.0  # for the last words of live streams, before their connections are closed
ANSWER_SECONDS = 10  # for what was given up to be answered, before its connection is closed
MAX_MESSAGE = 1024 * 1024  # bytes of a WebSocket message


class _Server(uvicorn.Server):
    """Tells the service of a signal at once, so that what waits is turned away before connections are closed."""

    def __init__(self, config: uvicorn.Config, service: Service, note: Note) -> None:
        super().__init__(config)
        self._service, self._note = service, note

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in self.servers:
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                self._note(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}")

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        deadline = time.monotonic() + STREAM_SECONDS
        while self._service.streams and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)  # type: ignore[arg-type]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.stop()
        super().handle_exit(sig, frame)


def serve(app: FastAPI, note: Note) -> bool:
    """Listen until a signal (SIGINT, SIGTERM) comes, then stop: what runs ends, what waits gets 503.

    app: from `create_app`. note: called with the address. Returns whether the server could listen.
    """
    return_freed_memory()
    server = _Server(configuration(app), app.state.service, note)
    server.run()
    return server.started


def configuration(app: FastAPI) -> uvicorn.Config:
    """How uvicorn serves the application of `create_app`."""
    service: Service = app.state.service
    settings = service.settings
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws_max_size=MAX_MESSAGE,
        ws_per_message_deflate=False,  # samples hardly get smaller
        ws_ping_interval=None,  # the answer to a ping waits behind samples that were sent faster than they are read
        timeout_graceful_shutdown=math.ceil(settings.stop_seconds) + ANSWER_SECONDS,
    )
