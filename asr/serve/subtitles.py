"""`POST /v1/audio/subtitles`: words with times, corrected by hand perhaps, as subtitles by the one rule for all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StringConstraints

from asr.decode.timed import Word
from asr.recognizer.transcript import Transcript
from asr.serve.guard import SUBTITLES
from asr.serve.replies import ERRORS, MEDIA_TYPES, RequestError
from asr.serve.service import Service

MAX_WORDS = 50_000  # of four hours of speech
MAX_SECONDS = 1e6

Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]


class SpokenWord(BaseModel):
    """A word as it is to be read, and when it was spoken, in seconds."""

    word: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    start: Seconds
    end: Seconds


class SubtitleRequest(BaseModel):
    """Words in the order in which they were spoken; the recording's length in seconds, 0 if it is not known."""

    words: Annotated[list[SpokenWord], Field(max_length=MAX_WORDS)]
    duration: Seconds = 0.0
    response_format: Literal["json", "srt", "vtt"] = "json"


def subtitle_routes(service: Service) -> APIRouter:
    """The route of subtitles."""
    router = APIRouter()

    @router.post(
        SUBTITLES,
        response_class=Response,
        responses={
            200: {
                "description": "`cues` with `start`, `end` and `text`, or a file of subtitles.",
                "content": {name: {} for name in ("application/json", MEDIA_TYPES["srt"], MEDIA_TYPES["vtt"])},
            },
            **ERRORS,
        },
    )
    async def subtitles(request: SubtitleRequest) -> Response:
        """Divide words into subtitles."""
        transcript = Transcript("", request.duration, _words(request.words))
        loop = asyncio.get_running_loop()
        if request.response_format == "json":
            cues = await loop.run_in_executor(service.text_thread, lambda: transcript.cues)
            return JSONResponse({"cues": [{"start": cue.start, "end": cue.end, "text": cue.text} for cue in cues]})
        write = transcript.to_srt if request.response_format == "srt" else transcript.to_vtt
        text = await loop.run_in_executor(service.text_thread, write)
        return Response(text, media_type=MEDIA_TYPES[request.response_format])

    return router


def _words(given: Sequence[SpokenWord]) -> tuple[Word, ...]:
    """The words of a request. Raises RequestError where they are not in order, or one is nothing but space."""
    words = []
    before = 0.0
    for place, word in enumerate(given):
        text = " ".join(word.word.split())
        if not text:
            raise RequestError(400, f"word {place} is empty.", "invalid_value", "words")
        if word.end < word.start or word.start < before:
            raise RequestError(400, f"word {place} ends before it begins, or begins before the word before it.",
                               "invalid_value", "words")  # fmt: skip
        before = word.start
        words.append(Word(text, word.start, word.end, 1.0))
    return tuple(words)
