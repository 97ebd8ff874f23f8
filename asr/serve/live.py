"""WebSockets for live speech: `/v1/audio/stream`, and `/vosk` in the protocol of vosk-server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from fastapi import APIRouter, WebSocket
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect, WebSocketState

from asr.audio import opus
from asr.decode.timed import Word
from asr.errors import AsrError, AudioError
from asr.json_text import parse_json
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.stream import PartialWords, Stream, StreamEvent, Utterance, event_values
from asr.serve.guard import bearer, stopping
from asr.serve.replies import RequestError
from asr.serve.service import Service, too_long

Result = TypeVar("Result")

STREAM_PATH, VOSK_PATH = "/v1/audio/stream", "/vosk"
RATE = 16000  # Hz, of a client that does not say
VOSK_RATE = 8000  # what vosk-server expects of a client that does not say
RATES = (4000, 192_000)  # Hz
START_SECONDS = 10.0  # in which the first message must come
LONGEST_MESSAGE = 120.0  # seconds of sound: Opus holds hours in a mebibyte
FORMATS = ("s16le", "ogg", "opus")
CLOSE_SECONDS = 10.0  # in which the last message must find room on the way to the client
POLL_SECONDS = 0.25  # between two looks at whether the server stops
NORMAL, GOING_AWAY, POLICY = 1000, 1001, 1008  # codes of closing (RFC 6455, 7.4.1)


class _EndError(Exception):
    """The stream ends since the server stops."""


class _GoneError(Exception):
    """The client has gone, or does not read what it is sent: there is nobody to tell anything."""


def live_routes(service: Service) -> APIRouter:
    """The routes of live speech."""
    router = APIRouter()

    @router.websocket(STREAM_PATH)
    async def own(socket: WebSocket) -> None:
        await _serve(socket, service, OwnProtocol)

    @router.websocket(VOSK_PATH)
    async def vosk(socket: WebSocket) -> None:
        await _serve(socket, service, VoskProtocol)

    return router


async def _serve(socket: WebSocket, service: Service, protocol: type[OwnProtocol] | type[VoskProtocol]) -> None:
    """One connection from its beginning to its end."""
    if service.stopping or service.streams >= service.settings.max_streams:
        busy = RequestError(429, "the server has no room for another live stream.", "rate_limit_exceeded")
        error = stopping() if service.stopping else busy
        await socket.send_denial_response(JSONResponse(error.body(), error.status, {"Retry-After": "10"}))
        return
    service.streams += 1
    try:
        await socket.accept()
        await protocol(socket, service).run()
    except RequestError as error:
        await _close(socket, {"type": "error", **error.body()}, POLICY)
    except _EndError:
        await _close(socket, None, GOING_AWAY)
    except _GoneError:
        pass
    finally:
        service.streams -= 1


async def _close(socket: WebSocket, last: Mapping[str, Any] | None, code: int) -> None:
    if socket.client_state != WebSocketState.CONNECTED or socket.application_state != WebSocketState.CONNECTED:
        return
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            if last is not None:
                await socket.send_text(json.dumps(last))
            await socket.close(code)
    except (RuntimeError, WebSocketDisconnect, TimeoutError):
        return  # the client was faster, or does not read


class _Connection:
    """What both protocols share: messages with their limits, and sound on its way through the recognizer."""

    def __init__(self, socket: WebSocket, service: Service) -> None:
        self._socket, self._service = socket, service
        self._pending: asyncio.Task[Message] | None = None
        self._stream: Stream | None = None
        self._samples_of: Callable[[bytes], Iterator[NDArray[np.generic]]] = self._whole_samples
        self._rest = b""  # half a sample
        self._rate = 0
        self._samples = 0

    async def _receive(self, seconds: float) -> str | bytes:
        """The next message. Raises _GoneError, _EndError where the server stops, RequestError for silence."""
        deadline = time.monotonic() + seconds
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._socket.receive())
        while not (await asyncio.wait({self._pending}, timeout=POLL_SECONDS))[0]:
            if self._service.stopping:
                raise _EndError
            if time.monotonic() > deadline:
                raise RequestError(408, f"no message came for {seconds:g} s.", "timeout")
        message, self._pending = self._pending.result(), None
        if message["type"] == "websocket.disconnect":
            raise _GoneError
        data = message.get("bytes")
        return data if data is not None else str(message.get("text") or "")

    def _admit(self, key: object) -> None:
        """Raise RequestError for a client without a valid key, in its header or in its first message."""
        given = bearer(self._socket.headers) or (key if isinstance(key, str) else None)
        if not self._service.settings.admits(given):
            raise RequestError(401, "a valid API key is needed.", "invalid_api_key", "key")

    async def _open(self, form: object, rate: object, phrases: object) -> int:
        """Begin a stream; returns how many phrases had no effect. Raises RequestError for impossible values."""
        if form not in FORMATS:
            raise RequestError(400, f"the format must be one of {', '.join(FORMATS)}.", "invalid", "format")
        if form != "s16le":
            rate = opus.RATE
        if not isinstance(rate, int | float) or not RATES[0] <= rate <= RATES[1] or rate != int(rate):
            raise RequestError(
                400, f"the rate must be a whole number from {RATES[0]} to {RATES[1]}.", "invalid", "rate"
            )
        if not isinstance(phrases, list) or not all(isinstance(phrase, str) for phrase in phrases):
            raise RequestError(400, "hotwords must be a list of texts.", "invalid", "hotwords")
        self._rate = int(rate)

        def begin() -> tuple[Stream, int]:
            if form == "ogg":
                self._samples_of = opus.OggOpus().decode
            elif form == "opus":
                packets = opus.OpusPackets()
                self._samples_of = lambda packet: iter([packets.decode(packet)])
            recognizer: Recognizer
            recognizer, left_out = self._service.favouring(phrases)
            return recognizer.stream(self._rate), left_out

        try:
            self._stream, left_out = await self._in_thread(begin)
        except AsrError as error:
            raise RequestError(400, str(error), "unsupported") from None
        return left_out

    async def _push(self, data: bytes) -> list[StreamEvent]:
        """What the next message of sound brings. Raises RequestError where it is too long, or is none."""
        assert self._stream is not None
        stream, settings, before = self._stream, self._service.settings, self._samples

        def work() -> list[StreamEvent]:
            parts: list[NDArray[np.generic]] = []
            for samples in self._samples_of(data):
                parts.append(samples)
                self._samples += len(samples)
                if self._samples > settings.max_audio_seconds * self._rate:
                    raise too_long(settings)
                if self._samples - before > LONGEST_MESSAGE * self._rate:
                    raise RequestError(413, f"a message holds more than {LONGEST_MESSAGE:g} s of sound.", "too_long")
            self._service.audio.add((self._samples - before) / self._rate)
            return stream.push(np.concatenate(parts)) if parts else []

        try:
            if self._samples_of == self._whole_samples and len(data) // 2 < stream.missing:
                return work()  # it only holds the samples: a thread would cost more
            return await self._in_thread(work)
        except AudioError as error:
            raise RequestError(400, str(error), "invalid_audio") from None

    def _whole_samples(self, data: bytes) -> Iterator[NDArray[np.generic]]:
        """16-bit samples; half of one waits for its other half."""
        data = self._rest + data
        whole = len(data) // 2 * 2
        self._rest = data[whole:]
        yield np.frombuffer(data[:whole], "<i2")

    async def _finish(self) -> list[StreamEvent]:
        if self._stream is None:
            return []
        stream, self._stream = self._stream, None
        return await self._in_thread(stream.finish)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._service.stream_threads, work)

    async def _send(self, values: Mapping[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._service.settings.stream_idle_seconds):
                await self._socket.send_text(json.dumps(values, ensure_ascii=False))
        except (RuntimeError, WebSocketDisconnect, TimeoutError):
            raise _GoneError from None


class OwnProtocol(_Connection):
    """`/v1/audio/stream`: see `docs/server.md`, which has each message."""

    async def run(self) -> None:
        """Serve the connection to its end."""
        start = _object(await self._receive(START_SECONDS))
        if start.get("type") != "start":
            raise RequestError(400, 'the first message must be {"type": "start", …}.', "invalid", "type")
        self._admit(start.get("key"))
        left_out = await self._open(start.get("format", "s16le"), start.get("rate", RATE), start.get("hotwords", []))
        await self._send({"type": "ready", "rate": self._rate, "hotwords_left_out": left_out})
        try:
            while True:
                message = await self._receive(self._service.settings.stream_idle_seconds)
                if isinstance(message, str):
                    if _object(message).get("type") != "stop":
                        raise RequestError(400, 'after the start come samples, or {"type": "stop"}.', "invalid", "type")
                    break
                await self._tell(await self._push(message))
        except (_EndError, RequestError):
            await self._tell(await self._finish())  # whatever ends the stream: what was heard is not lost
            raise
        await self._tell(await self._finish())
        await self._send({"type": "done", "seconds": round(self._samples / self._rate, 3)})
        await _close(self._socket, None, NORMAL)

    async def _tell(self, events: Sequence[StreamEvent]) -> None:
        for event in events:
            await self._send(event_values(event))


class VoskProtocol(_Connection):
    """`/vosk`: the messages of vosk-server, one answer to each message of samples."""

    async def run(self) -> None:
        """Serve the connection to its end."""
        config: dict[str, Any] = {}
        partial = ""
        wait = START_SECONDS
        while True:
            message = await self._receive(wait)
            wait = self._service.settings.stream_idle_seconds
            if isinstance(message, str):
                values = _object(message)
                if isinstance(values.get("config"), dict) and self._stream is None:
                    config = values["config"]
                self._admit(config.get("key"))  # who has no key keeps no place
                if "eof" in values:
                    break
                continue
            if self._stream is None:
                await self._begin(config)
            events = await self._push(message)
            partial = next((e.text for e in reversed(events) if isinstance(e, PartialWords)), partial)
            ended = [event for event in events if isinstance(event, Utterance)]
            if ended:
                partial = ""
            await self._send(_vosk_result(ended, config) if ended else {"partial": partial})
        ended = [event for event in await self._finish() if isinstance(event, Utterance)]
        await self._send(_vosk_result(ended, config))
        await _close(self._socket, None, NORMAL)

    async def _begin(self, config: Mapping[str, Any]) -> None:
        self._admit(config.get("key"))
        phrases = config.get("phrase_list", [])
        if isinstance(phrases, list):
            phrases = [phrase for phrase in phrases if phrase != "[unk]"]  # vosk's sign for other words
        await self._open("s16le", config.get("sample_rate", VOSK_RATE), phrases)


def _vosk_result(utterances: Sequence[Utterance], config: Mapping[str, Any]) -> dict[str, Any]:
    words: list[Word] = [word for utterance in utterances for word in utterance.words]
    text = {"text": " ".join(word.word for word in words)}
    if not words or not config.get("words", True):
        return text
    result = [
        {"conf": round(w.confidence, 6), "end": round(w.end, 6), "start": round(w.start, 6), "word": w.word}
        for w in words
    ]
    return {"result": result, **text}


def _object(message: str | bytes) -> dict[str, Any]:
    """A message as an object of JSON. Raises RequestError."""
    try:
        values = parse_json(message) if isinstance(message, str) else None
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise RequestError(400, "a text message must be an object of JSON.", "invalid")
    return values
