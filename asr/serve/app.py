"""The server as an ASGI application."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from asr.recognizer.recognizer import Recognizer
from asr.serve import metrics
from asr.serve.guard import TRANSCRIPTIONS, Guard, client_gone
from asr.serve.live import live_routes
from asr.serve.replies import RequestError, no_room
from asr.serve.service import Service
from asr.serve.settings import ServerSettings
from asr.serve.subtitles import subtitle_routes
from asr.serve.transcriptions import LEFT_OUT, transcription_routes

PAGE = Path(__file__).parent / "page" / "index.html"
TITLE = "asr"


def create_app(recognizer: Recognizer, settings: ServerSettings | None = None) -> FastAPI:
    """The application of a recognizer; `app.state.service` is what its requests share.

    The threads end with the application's lifespan.
    """
    service = Service(recognizer, settings or ServerSettings())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.stop()
        service.close()

    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    app.add_middleware(Guard, service=service)
    if service.settings.allowed_origins:  # around the guard: a browser asks first, without a key, whether it may
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["Retry-After", LEFT_OUT],
        )
    _add_error_forms(app)
    app.include_router(transcription_routes(service))
    app.include_router(subtitle_routes(service))
    app.include_router(live_routes(service))
    _add_pages(app, service)
    return app


def _add_pages(app: FastAPI, service: Service) -> None:
    page = PAGE.read_text(encoding="utf-8")
    headers = {
        "Content-Security-Policy": page_policy(page),
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def index() -> Response:
        return HTMLResponse(page, headers=headers)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "ok"}

    @app.get("/readyz", responses={503: {"description": "The server is stopping."}})
    async def readyz() -> Response:
        """Whether requests are taken."""
        if service.stopping:
            return JSONResponse({"status": "stopping"}, 503)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def read_metrics() -> Response:
        """What was counted, for Prometheus."""
        return Response(metrics.render(service.metrics), media_type=metrics.CONTENT_TYPE)


def _add_error_forms(app: FastAPI) -> None:
    """Errors of every origin in the one form of `RequestError`."""

    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> Response:
        return JSONResponse(error.body(), error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        names = [str(part) for part in first["loc"][1:]]
        name = names[0] if names else None
        text = f"{name or 'the request'}: {first['msg']}"
        if name is None and first["type"] == "model_attributes_type":
            text = "the body must be an object of JSON, sent with the header `Content-Type: application/json`."
        if name == "file" and request.url.path == TRANSCRIPTIONS:
            text = "the recording must be sent as a file, in the field `file` of a form (multipart/form-data)."
        return JSONResponse(RequestError(400, text, "invalid_value", name).body(), 400)

    @app.exception_handler(HTTPException)
    async def failed(request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, ClientDisconnect):  # amid its upload
            return await refused(request, client_gone())
        if isinstance(error.__cause__, OSError):  # FastAPI takes a full disk for an error of the form
            return await refused(request, no_room(error.__cause__))
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
        body = RequestError(error.status_code, str(error.detail), code).body()
        return JSONResponse(body, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        return JSONResponse(RequestError(500, "the server failed on this request.", "internal_error").body(), 500)


def page_policy(page: str) -> str:
    """The content security policy of a page: its own script and style, by their hashes, and this server alone."""

    def hashes(tag: str) -> str:
        bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(b.encode()).digest()).decode()}'" for b in bodies)

    return (
        f"default-src 'none'; script-src {hashes('script')}; style-src {hashes('style')}; connect-src 'self'; "
        "media-src blob:; img-src data:; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
