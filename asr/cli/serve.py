"""`asr serve`: a server of HTTP and WebSockets, and a page."""

from __future__ import annotations

import os
from pathlib import Path

import click

from asr.cli.console import note, warn
from asr.cli.shared_options import device_option, quiet_option, threads_option
from asr.cli.speech.reading_options import numbers_option, raw_option
from asr.cli.speech.search_options import MODEL_HELP, backend_option, language_options
from asr.decode.build import SearchOptions
from asr.extras import require
from asr.shipped import DEFAULT
from asr.text.lines import read_lines

KEYS_VARIABLE = "ASR_API_KEYS"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 for a free one.")
@click.option("--model", help=f"{MODEL_HELP}  [default: english]")
@click.option("--language", default="en", show_default=True, help="Of the model; requests for others are refused.")
@language_options
@raw_option
@numbers_option
@device_option
@backend_option
@threads_option
@click.option(
    "--api-key-file", type=click.Path(path_type=Path),
    help=f"File of keys, one a line, of which requests must bring one. Also: {KEYS_VARIABLE}, divided by commas.",
)  # fmt: skip
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    help="Another site whose pages may use the server, as https://example.org.",
)
@click.option(
    "--workers", default=8, show_default=True, type=click.IntRange(1), help="Recordings at once, one a core in turns."
)
@click.option(
    "--max-waiting", default=64, show_default=True, type=click.IntRange(0), help="Requests that wait; others get 429."
)
@click.option("--max-mb", default=200.0, show_default=True, help="Size of a request in MB.")
@click.option("--max-minutes", default=240.0, show_default=True, help="Length of a recording in minutes.")
@click.option("--request-seconds", default=3600.0, show_default=True, help="Time that a request may take.")
@click.option("--streams", default=16, show_default=True, type=click.IntRange(0), help="Live streams at once.")
@quiet_option
def command(
    host: str, port: int, model: str | None, language: str, search: SearchOptions, raw: bool, numbers: str, device: str,
    backend: str, threads: int, api_key_file: Path | None, origins: tuple[str, ...], workers: int, max_waiting: int,
    max_mb: float, max_minutes: float, request_seconds: float, streams: int,
) -> int:  # fmt: skip
    """Serve transcription over HTTP and WebSockets, with a page at /.

    POST /v1/audio/transcriptions takes what OpenAI's takes. Only this machine reaches the server unless --host says
    otherwise. SIGINT or SIGTERM stops it: what runs ends, what waits gets 503.

    \b
    Examples:
      asr serve
      curl -F file=@talk.mp3 -F response_format=srt http://127.0.0.1:8000/v1/audio/transcriptions
    """
    for module in ("fastapi", "uvicorn", "python_multipart", "websockets"):
        require("serve", module, "servers")
    from asr.recognizer.recognizer import Recognizer
    from asr.serve.app import create_app
    from asr.serve.run import serve
    from asr.serve.settings import ServerSettings

    keys = [key.strip() for key in os.environ.get(KEYS_VARIABLE, "").split(",")]
    if api_key_file is not None:
        keys += [line.strip() for line in read_lines(api_key_file)]
    on_cpu = device in ("auto", "cpu")  # where batches gain little, and a recording a core the most
    settings = ServerSettings(
        host=host,
        port=port,
        model_name=Path(model).name if model is not None else DEFAULT,
        language=language,
        api_keys=tuple(key for key in keys if key),
        allowed_origins=origins,
        workers=workers,
        turns=threads if on_cpu else workers,
        network_passes=threads if on_cpu else 1,
        max_waiting=max_waiting,
        max_bytes=round(max_mb * 1e6),
        max_audio_seconds=60 * max_minutes,
        request_seconds=request_seconds,
        max_streams=streams,
    )
    if (warning := settings.warning()) is not None:
        warn(warning)
    recognizer = Recognizer.from_options(
        model, search, raw=raw, numbers=numbers, backend=backend, device=device, threads=1, note=note
    )
    return 0 if serve(create_app(recognizer, settings), note) else 1
