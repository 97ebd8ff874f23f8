"""The settings of the server."""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass

from asr.errors import ConfigError

LOOPBACK = "127.0.0.1"
ALIASES = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")  # names that programs ask for by default
_ORIGIN = re.compile(r"https?://[a-z0-9._\-\[\]:]+")  # as browsers write the header `Origin`


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How a server listens and what it refuses. Raises ConfigError for impossible values."""

    host: str = LOOPBACK
    port: int = 8000
    model_name: str = "english"
    language: str = "en"  # of the model: a request for another is refused; empty: any is taken
    api_keys: tuple[str, ...] = ()  # without one, everybody who reaches the server may use it
    allowed_origins: tuple[str, ...] = ()  # of web pages of other servers that may use this one: https://host[:port]
    workers: int = 8  # recordings transcribed at once, in turns
    turns: int = 0  # of those, how many compute at the same time; 0: one for each core
    network_passes: int = 0  # of the network at once, each on one thread; 0: one for each core
    max_waiting: int = 64  # requests beyond those, uploads included; further ones get 429
    max_bytes: int = 200 * 1024 * 1024  # of a request
    max_audio_seconds: float = 4 * 3600.0
    upload_seconds: float = 300.0  # in which a request must have arrived
    request_seconds: float = 3600.0  # from its arrival to its answer
    max_streams: int = 16  # live ones
    stream_idle_seconds: float = 60.0  # without a message, after which a live stream is closed
    stop_seconds: float = 60.0  # that running work gets when the server stops

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"`port` must lie in 0..65535, not {self.port}.")
        for name in ("workers", "max_bytes", "max_audio_seconds", "upload_seconds", "request_seconds"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"`{name}` must be above 0, not {getattr(self, name)}.")
        for name in ("turns", "network_passes", "max_waiting", "max_streams", "stop_seconds", "stream_idle_seconds"):
            if getattr(self, name) < 0:
                raise ConfigError(f"`{name}` must be 0 or more, not {getattr(self, name)}.")
        for origin in self.allowed_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigError(
                    f"'{origin}' is no origin of pages; write it in lower case as https://example.org, without a path."
                )
        if any(len(key) < 16 or not key.isascii() or not key.isprintable() for key in self.api_keys):
            raise ConfigError("an API key must be 16 or more printable ASCII characters.")

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def admits(self, key: str | None) -> bool:
        """Whether a request with this key, or none, may be answered. Takes the same time for every wrong key."""
        if not self.api_keys:
            return True
        given = (key or "").encode()
        return sum(hmac.compare_digest(given, known.encode()) for known in self.api_keys) > 0  # all are compared

    def warning(self) -> str | None:
        """What an open server means, in a sentence, or None for one that is closed."""
        if self.is_local or self.api_keys:
            return None
        return (
            f"warning: the server listens on {self.host} without an API key: everybody who reaches this machine over "
            "the network can use it, fill its queue and send it recordings, and text and audio travel unencrypted; set "
            "ASR_API_KEYS or --api-key-file, and put a proxy with TLS in front."
        )
