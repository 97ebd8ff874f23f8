"""`asr align`: the times of the words of a known text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from asr.cli.console import Progress, note, warn
from asr.cli.shared_options import check_output, device_option, quiet_option, threads_option
from asr.cli.speech.output_names import check_format
from asr.cli.speech.reading_options import subtitle_options
from asr.cli.speech.search_options import MODEL_HELP, backend_option
from asr.recognizer.aligner import Aligner
from asr.recognizer.subtitles import SubtitleStyle
from asr.recognizer.transcript import FORMATS, format_of
from asr.text_file import read_text

# A word's mean confidence below which its text is doubted. Of 120 utterances, clean and with noise at 5 dB, those with
# their own texts had 0.10 to 0.7 (half more than 0.33), those with the next one's 0.06 to 0.09 at the median.
LEAST_FIT = 0.15


@click.command()
@click.argument("audio", type=click.Path(path_type=Path))
@click.argument("text", type=click.Path(path_type=Path))
@click.option("--model", help=f"{MODEL_HELP}  [default: english]")
@click.option(
    "--format",
    "name",
    type=click.Choice(list(FORMATS)),
    help="Output format.  [default: by --output's name, or srt]",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write there instead of printing.")
@subtitle_options
@device_option
@backend_option
@threads_option
@quiet_option
def command(
    audio: Path, text: Path, model: str | None, name: str | None, output: Path | None, style: SubtitleStyle,
    device: str, backend: str, threads: int,
) -> None:  # fmt: skip
    """Align the words of a text file with a recording, for subtitles or word times of a text that is known.

    The text must cover the recording from beginning to end. Subtitles and text show it as it is printed, with its marks
    and capitals; tables of words have plain lower-case words.

    \b
    Examples:
      asr align talk.mp3 talk.txt > talk.srt
      asr align talk.mp3 talk.txt --format ctm --output talk.ctm
    """
    check_output(output, audio, text)
    named = None if output is None else format_of(output)
    check_format(output, named, [name] if name else [])
    name = name or named or "srt"
    content = read_text(text)
    aligner = Aligner.load(model, backend=backend, device=device, threads=threads, note=note)
    progress = Progress(audio.name)
    try:
        transcript = replace(aligner.align(audio, content, progress=progress), style=style)
    finally:
        progress.close()
    fit = sum(word.confidence for word in transcript.words) / len(transcript.words)
    if fit < LEAST_FIT:
        warn(f"the words fit the sound badly (mean confidence {fit:.2f}): is {text} what is spoken in {audio}?")
    if output is None:
        click.echo(FORMATS[name](transcript), nl=False)
    else:
        transcript.write(output, name)
