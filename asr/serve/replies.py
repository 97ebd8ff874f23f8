"""Transcripts and errors in the forms of OpenAI's audio API."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Collection, Mapping
from typing import Any

from starlette.exceptions import HTTPException

from asr.decode.timed import word_values
from asr.recognizer.transcript import Transcript

LOG = logging.getLogger("uvicorn.error")  # which the server prints
RESPONSE_FORMATS = ("json", "text", "verbose_json", "srt", "vtt")
MEDIA_TYPES = {
    "text": "text/plain; charset=utf-8", "srt": "application/x-subrip; charset=utf-8", "vtt": "text/vtt; charset=utf-8",
}  # fmt: skip
LANGUAGES = {"en": "english"}  # as verbose_json names them
ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"description": text, "content": {"application/json": {}}}
    for code, text in {
        400: "The request or its audio cannot be used.", 401: "No valid API key.", 403: "Another site's page.",
        404: "No such model.", 408: "The upload took too long.", 413: "Too large or too long.",
        429: "Busy: try again after the seconds of Retry-After.", 503: "Stopping, out of time or of room for uploads.",
    }.items()
}  # fmt: skip


class RequestError(HTTPException):
    """A request that is answered with an error. status: of HTTP. headers: of the answer."""

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.status, self.code, self.param = status, code, param

    def body(self) -> dict[str, Any]:
        """The error as OpenAI's API writes it."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        if self.status == 429:
            kind = "rate_limit_error"
        return {"error": {"message": self.detail, "type": kind, "param": self.param, "code": self.code}}


def no_room(cause: OSError) -> RequestError:
    """The error of an upload that could not be stored; the server's log says why, which is not for clients."""
    LOG.error("an upload could not be stored: %s", cause)
    return RequestError(
        503, "the server has no room for uploads; try again later.", "no_room", headers={"Retry-After": "60"}
    )


def render(transcript: Transcript, form: str, language: str, granularities: Collection[str] = ()) -> str:
    """A transcript in one of `RESPONSE_FORMATS`. granularities: of verbose_json's times, "word" and "segment"."""
    if form == "text":
        return transcript.to_txt()
    if form == "srt":
        return transcript.to_srt()
    if form == "vtt":
        return transcript.to_vtt()
    usage = {"type": "duration", "seconds": math.ceil(transcript.duration)}
    if form == "json":
        return json.dumps({"text": transcript.text, "usage": usage}, ensure_ascii=False)
    values: dict[str, Any] = json.loads(transcript.to_verbose_json())
    values["language"] = LANGUAGES.get(language, language)
    values["words"] = [word_values(word) for word in transcript.words]
    if "word" not in granularities:
        del values["words"]
    elif "segment" not in granularities:
        del values["segments"]
    return json.dumps({**values, "usage": usage}, ensure_ascii=False)


def event(values: Mapping[str, Any]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(values, ensure_ascii=False)}\n\n"
