"""`asr align`: when the words of a known text are said."""

from __future__ import annotations

from pathlib import Path

import click

from asr.atomic_file import write_text
from asr.audio.read import audio_info
from asr.cli.console import Progress, note
from asr.errors import TextError
from asr.recognizer.aligner import Aligner
from asr.recognizer.transcript import FORMATS


@click.command()
@click.argument("audio", type=click.Path(path_type=Path))
@click.argument("text", type=click.Path(path_type=Path))
@click.option("--model", help="Model folder, or a shipped model by name (english, digits, an4).  [default: english]")
@click.option("--format", "name", type=click.Choice(list(FORMATS)), default="srt", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Write there instead of printing.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--threads", default=0, help="CPU threads.  [default: all cores]")
def command(
    audio: Path, text: Path, model: str | None, name: str, output: Path | None, device: str, threads: int
) -> None:
    """Align the words of TEXT, a text file, with AUDIO: subtitles, or times of words, of what is known to be said.

    The text must follow the recording from its beginning to its end; it is written in plain lower-case words.

    \b
    Examples:
      asr align talk.mp3 talk.txt > talk.srt
      asr align talk.mp3 talk.txt --format ctm --output talk.ctm
    """
    try:
        content = text.read_text(encoding="utf-8")
    except OSError as error:
        raise TextError(f"{text} cannot be read ({error.strerror}); check the path.") from None
    except UnicodeDecodeError:
        raise TextError(f"{text} is not UTF-8; convert it first.") from None
    length = audio_info(audio).duration
    aligner = Aligner.load(model, device, threads, note)
    progress = Progress(audio.name)
    try:
        found = aligner.align(str(audio), content, lambda seconds: progress(seconds, length))
    finally:
        progress.close()
    shown = FORMATS[name](found)
    if output is None:
        click.echo(shown, nl=False)
    else:
        write_text(output, shown)
