"""`POST /v1/audio/transcriptions` and `GET /v1/models`, as OpenAI's API has them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Sequence
from concurrent.futures import Future
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import StreamingResponse

from asr.decode.timed import Word, word_values
from asr.recognizer.reading import text_of
from asr.recognizer.transcript import Transcript
from asr.serve.guard import TRANSCRIPTIONS, client_gone, stopping
from asr.serve.replies import ERRORS, LANGUAGES, MEDIA_TYPES, RequestError, event, render
from asr.serve.service import Service
from asr.serve.settings import ALIASES, ServerSettings
from asr.serve.work_queue import StoppingError

MAX_NAME = 100
LEFT_OUT = "X-Hotwords-Left-Out"  # the header that says how many phrases of the prompt had no effect

Outcome = tuple[Transcript, int]


def transcription_routes(service: Service) -> APIRouter:
    """The routes of transcription and of the models."""
    router = APIRouter()

    @router.post(
        TRANSCRIPTIONS,
        response_class=Response,
        responses={
            200: {
                "description": "The transcript in the form asked for; with `stream`, server-sent events.",
                "content": {name: {} for name in ("application/json", "text/event-stream", *MEDIA_TYPES.values())},
            },
            **ERRORS,
        },
    )
    async def transcribe(
        request: Request,
        file: Annotated[UploadFile, File(description="Audio: wav, flac, ogg, opus, mp3; m4a, mp4, webm with PyAV.")],
        model: Annotated[str | None, Form(description="A name from /v1/models, or one of OpenAI's.")] = None,
        language: Annotated[str | None, Form(description="ISO 639-1 code.")] = None,
        prompt: Annotated[str | None, Form(description="Phrases to favour, divided by commas.")] = None,
        response_format: Annotated[Literal["json", "text", "verbose_json", "srt", "vtt"], Form()] = "json",
        temperature: Annotated[float, Form(ge=0, le=1, description="Without effect.")] = 0.0,
        timestamp_granularities: Annotated[
            list[Literal["word", "segment"]], Form(alias="timestamp_granularities[]")
        ] = [],  # noqa: B006 (FastAPI copies it)
        stream: Annotated[bool, Form(description="Send words as they are completed.")] = False,
    ) -> Response:
        """Transcribe a recording."""
        check_model(model, language, service.settings)
        abandoned = threading.Event()
        name = display_name(file.filename)
        if stream:
            return await _events(service, request, file, name, prompt, abandoned)
        future = service.transcribe(file.file, name, prompt, abandoned)
        transcript, left_out = await _result(future, request, abandoned, service.settings)
        body = render(transcript, response_format, service.settings.language, timestamp_granularities)
        media_type = MEDIA_TYPES.get(response_format, "application/json")
        return Response(body, media_type=media_type, headers={LEFT_OUT: str(left_out)} if prompt else None)

    @router.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The models that can be asked for."""
        names = (service.settings.model_name, *ALIASES)
        return {"object": "list", "data": [_described(name) for name in names]}

    @router.get("/v1/models/{name}", responses={404: ERRORS[404]})
    async def model(name: str) -> dict[str, Any]:
        """One of the models that can be asked for."""
        check_model(name, None, service.settings)
        return _described(name)

    return router


def _described(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": 0, "owned_by": "lstm-asr"}


def check_model(model: str | None, language: str | None, settings: ServerSettings) -> None:
    """Raise RequestError for a model or a language that is not there."""
    if model is not None and model not in (settings.model_name, *ALIASES):
        raise RequestError(
            404, f"there is no model '{model[:MAX_NAME]}'; this server has '{settings.model_name}'.", "model_not_found",
            "model",
        )  # fmt: skip
    spoken = (language or "").lower().partition("-")[0]
    if settings.language and spoken not in ("", settings.language, LANGUAGES.get(settings.language)):
        raise RequestError(
            400, f"the model transcribes '{settings.language}', not '{spoken[:MAX_NAME]}'.", "unsupported_language",
            "language",
        )  # fmt: skip


def display_name(filename: str | None) -> str:
    """What an upload is called in messages: the last part of the name that the client gave; nothing is opened by it."""
    last = PurePosixPath((filename or "").replace("\\", "/")).name
    return "".join(character for character in last if character.isprintable())[:MAX_NAME] or "the file"


async def _result(
    future: Future[Outcome], request: Request, abandoned: threading.Event, settings: ServerSettings
) -> Outcome:
    """The outcome of the work. It is abandoned where the client goes away or the time is over; raises RequestError."""
    work = asyncio.wrap_future(future)
    try:
        await _arrival(work, request, settings)
        return await _settled(work)
    finally:
        abandoned.set()
        work.cancel()


async def _arrival(wanted: asyncio.Future[Any], request: Request, settings: ServerSettings) -> None:
    """Wait until something is there. Raises RequestError where the client goes away before, or the time is over."""
    gone = asyncio.ensure_future(_disconnect(request))
    try:
        waiting: set[asyncio.Future[Any]] = {wanted, gone}
        await asyncio.wait(waiting, timeout=settings.request_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    if not wanted.done() and gone.done():
        raise client_gone()
    if not wanted.done():
        seconds = f"{settings.request_seconds:g}"
        raise RequestError(503, f"the transcript was not ready within {seconds} s.", "timeout")


async def _settled(work: Awaitable[Outcome]) -> Outcome:
    try:
        return await work
    except StoppingError:
        raise stopping() from None


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _events(
    service: Service, request: Request, file: UploadFile, name: str, prompt: str | None, abandoned: threading.Event
) -> Response:
    """The transcript as server-sent events; an error before the first one is an ordinary error."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[Sequence[Word] | None] = asyncio.Queue()

    def tell(words: Sequence[Word] | None) -> None:
        loop.call_soon_threadsafe(arrived.put_nowait, words)

    future = service.transcribe(file.file, name, prompt, abandoned, tell)
    future.add_done_callback(lambda _: tell(None))
    begun = asyncio.ensure_future(arrived.get())
    try:
        await _arrival(begun, request, service.settings)
        first = begun.result()
        if first is None:
            await _settled(asyncio.wrap_future(future))  # raises where the work failed
    except BaseException:
        abandoned.set()
        begun.cancel()
        future.cancel()
        raise

    async def events() -> AsyncIterator[str]:
        try:
            words, is_first = first, True
            while words is not None:
                text = text_of(words)
                delta = text if is_first else f" {text}"
                timed = [word_values(word) for word in words]
                yield event({"type": "transcript.text.delta", "delta": delta, "words": timed})
                words, is_first = await arrived.get(), False
            try:
                transcript, _ = await _settled(asyncio.wrap_future(future))
            except RequestError as error:
                yield event(error.body())
                return
            yield event({"type": "transcript.text.done", "text": transcript.text, "duration": transcript.duration})
        finally:
            abandoned.set()  # the client may have gone before the end
            future.cancel()

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
