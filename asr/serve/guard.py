"""What stands before every request: who may ask, how much and how long, and what is counted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asr.serve.replies import RequestError
from asr.serve.service import Service
from asr.serve.settings import ServerSettings

TRANSCRIPTIONS, SUBTITLES = "/v1/audio/transcriptions", "/v1/audio/subtitles"
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/openapi.json"})
COUNTED_PATHS = OPEN_PATHS | {TRANSCRIPTIONS, SUBTITLES, "/v1/models", "/metrics"}
MAX_TEXT_BYTES = 8 * 1024 * 1024  # of a request without audio
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
CLIENT_GONE = 499  # as nginx logs it; HTTP has no status for what is not answered
DRAIN_SECONDS = 2.0  # for which the rest of a refused upload is read: a client that is cut off does not see why
DRAIN_BYTES = 32 * 1024 * 1024


class Guard:
    """Refuses requests that may not be answered, bounds the others, and counts all. ASGI middleware."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket" and not comes_from_here(Headers(scope=scope), self._service.settings):
            await receive()  # the request to connect
            await send({"type": "websocket.close", "code": 1008, "reason": "another site's page"})
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        service, path = self._service, str(scope["path"])
        if scope["method"] == "HEAD":  # as monitors ask: what GET would say, of which uvicorn leaves out the body
            scope = {**scope, "method": "GET"}
        is_audio = path == TRANSCRIPTIONS and scope["method"] == "POST"
        is_work = is_audio or (path == SUBTITLES and scope["method"] == "POST")
        status = 500

        async def counting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]
            await send(message)

        started = time.monotonic()
        largest = service.settings.max_bytes if is_audio else min(MAX_TEXT_BYTES, service.settings.max_bytes)
        body = _Body(receive, service.settings, started, largest)
        counted = False
        try:
            self._check(scope, is_work, largest)
            service.admitted += is_work
            counted = is_work
            await self._app(scope, body.receive, counting)
        except RequestError as error:
            await body.drain()
            await refuse(error, counting)
        finally:
            service.admitted -= counted
            service.requests.add(path=path if path in COUNTED_PATHS else "other", status=str(status))
            if is_audio:
                service.seconds.observe(time.monotonic() - started)

    def _check(self, scope: Scope, is_work: bool, largest: int) -> None:
        """Raise RequestError for a request that is not to be answered."""
        service, headers = self._service, Headers(scope=scope)
        settings = service.settings
        if not comes_from_here(headers, settings):
            raise RequestError(403, "pages of other sites may not use this server.", "forbidden_origin")
        if scope["path"] not in OPEN_PATHS and not settings.admits(bearer(headers)):
            raise RequestError(
                401, "a valid API key is needed: send `Authorization: Bearer KEY`.", "invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and (len(length) > 15 or int(length) > largest):
            raise too_large(largest)
        if is_work and service.stopping:
            raise stopping()
        if is_work and service.is_full:
            wait = str(service.retry_after())
            raise RequestError(
                429, f"the server is busy; try again in {wait} s.", "rate_limit_exceeded", headers={"Retry-After": wait}
            )


class _Body:
    """A request's body, read within limits."""

    def __init__(self, receive: Receive, settings: ServerSettings, started: float, largest: int) -> None:
        self._receive, self._settings, self._largest = receive, settings, largest
        self._deadline = started + settings.upload_seconds
        self._bytes = 0
        self._is_whole = False

    async def receive(self) -> Message:
        """The next message. Raises RequestError where the body is too long or too slow."""
        if self._is_whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._deadline - time.monotonic()))
        except TimeoutError:
            self._is_whole = True  # there is no use in waiting for more
            seconds = f"{self._settings.upload_seconds:g}"
            raise RequestError(408, f"the request did not arrive within {seconds} s.", "timeout") from None
        self._take(message)
        if self._bytes > self._largest:
            await self.drain()
            raise too_large(self._largest)
        return message

    async def drain(self) -> None:
        """Read on for a while and forget it, so that the client comes to reading the answer."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._is_whole and self._bytes < self._largest + DRAIN_BYTES:
                    self._take(await self._receive())
        except TimeoutError:
            return

    def _take(self, message: Message) -> None:
        self._bytes += len(message.get("body", b""))
        self._is_whole = message["type"] != "http.request" or not message.get("more_body", False)


def comes_from_here(headers: Headers, settings: ServerSettings) -> bool:
    """Whether a request comes from a program, or from a page of this server or of an allowed one.

    A browser says in `Origin` whose page asks. A local server also looks at `Host`, since a name of somebody else's may
    be made to mean this machine (DNS rebinding).
    """
    host = headers.get("host", "")
    allowed = {_host_of(origin) for origin in settings.allowed_origins}
    if settings.is_local and host and _name_of(host) not in LOCAL_NAMES | {settings.host} | set(map(_name_of, allowed)):
        return False
    origin = headers.get("origin")
    return origin is None or _host_of(origin) in allowed | {host.lower()}


def bearer(headers: Headers) -> str | None:
    """The key of the header `Authorization: Bearer KEY`."""
    kind, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" else None


def too_large(largest: int) -> RequestError:
    """The error of a request beyond the limit of bytes."""
    limit = largest / 1e6
    return RequestError(
        413, f"the request is larger than this server's {limit:.3g} MB; divide it.", "too_large", "file"
    )


def client_gone() -> RequestError:
    """The error of a request whose client went away: nobody reads it, and the metrics tell it from the server's own."""
    return RequestError(CLIENT_GONE, "the client went away before the answer.", "client_gone")


def stopping() -> RequestError:
    """The error of a request to a server that stops."""
    return RequestError(503, "the server is stopping; try again.", "stopping", headers={"Retry-After": "5"})


async def refuse(error: RequestError, send: Send) -> None:
    """Send an error as the whole answer."""
    body = json.dumps(error.body()).encode()
    headers: Iterable[tuple[str, str]] = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **(error.headers or {}),
    }.items()
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": error.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def _host_of(origin: str) -> str:
    """The host and port of an origin, as the header `Host` writes them; empty for none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name_of(host: str) -> str:
    """A host without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
