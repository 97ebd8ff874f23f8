"""`asr transcribe`: audio files to text, subtitles or word times."""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from pathlib import Path

import click

from asr.audio.read import AUDIO_EXTENSIONS
from asr.cli.console import Progress, note
from asr.cli.option_groups import GroupedCommand
from asr.cli.speech.search_options import MODEL_HELP, backend_option, device_option, language_options
from asr.decode.build import SearchOptions
from asr.errors import AsrError, AudioError
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.transcript import FORMATS, Transcript

STDIN = "-"
GROUPS = {
    "Recognition": ("model", "hotwords", "hotword_file", "beam_size", "partial"),
    "Language model": ("lm", "neural_lm", "neural_share", "rescore"),
    "Output": ("formats", "output_dir"),
    "Running": ("device", "backend", "threads", "help"),
}


@click.command(cls=GroupedCommand, groups=GROUPS)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--model", help=f"{MODEL_HELP}  [default: english]")
@language_options
@click.option(
    "--format", "formats", multiple=True, type=click.Choice(list(FORMATS)), help="May be repeated.  [default: txt]"
)
@click.option("--output-dir", type=click.Path(path_type=Path), help="Write DIR/<stem>.<format> instead of printing.")
@device_option
@backend_option
@click.option("--threads", default=0, help="CPU threads.  [default: all cores]")
@click.option("--partial", is_flag=True, help="Transcribe what can be read of a file that ends early.")
def command(
    paths: tuple[str, ...], model: str | None, search: SearchOptions, formats: tuple[str, ...],
    output_dir: Path | None, device: str, backend: str, threads: int, partial: bool,
) -> int:  # fmt: skip
    """Turn audio files into text, subtitles or word times.

    PATH is a file, a folder (all audio in it), a quoted glob, or - for standard input. Files that cannot be read are
    named on stderr and the others transcribed; the exit code is then 1.

    \b
    Examples:
      asr transcribe talk.mp3
      asr transcribe lectures/ --format srt --format json --output-dir out
    """
    files, missing = expand(paths)
    for error in missing:
        note(f"asr: {error}")
    if not files:
        return 1
    if output_dir is not None:
        _make_folder(output_dir)
    recognizer = Recognizer.from_options(model, search, backend=backend, device=device, threads=threads, note=note)
    stems = Counter(Path("stdin" if file == STDIN else file).stem for file in files)
    failed = len(missing)
    for number, file in enumerate(files, 1):
        try:
            transcript = _transcribe(recognizer, file, partial, f"{number}/{len(files)} {Path(file).name}")
        except AudioError as error:
            note(f"asr: {error}")
            failed += 1
            continue
        for name in formats or ("txt",):
            if output_dir is not None:
                path = Path(transcript.file)
                transcript.write(output_dir / f"{path.stem if stems[path.stem] == 1 else path.name}.{name}")
            else:
                _print(transcript, name, named=len(files) > 1)
    return 1 if failed else 0


def expand(paths: tuple[str, ...]) -> tuple[list[str], list[AsrError]]:
    """The files that paths, folders and globs name, in order, each once; and an error for each that names none."""
    files: list[str] = []
    errors: list[AsrError] = []
    for path in paths:
        if os.path.isdir(path):
            named = sorted(
                str(p) for p in Path(path).rglob("*") if p.suffix.lower() in AUDIO_EXTENSIONS and p.is_file()
            )
            if not named:
                errors.append(
                    AudioError(f"{path} holds no audio file; known are {' '.join(sorted(AUDIO_EXTENSIONS))}.")
                )
        elif not os.path.exists(path) and glob.has_magic(path):
            named = sorted(name for name in glob.glob(path, recursive=True) if os.path.isfile(name))
            if not named:
                errors.append(AudioError(f"no file matches {path}; check the pattern."))
        else:
            named = [path]
        files += named
    return list(dict.fromkeys(files)), errors


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise AsrError(f"cannot write into the output folder {folder}; choose another with --output-dir.")


def _transcribe(recognizer: Recognizer, file: str, partial: bool, label: str) -> Transcript:
    progress = Progress(label)
    try:
        if file == STDIN:
            return recognizer.transcribe(sys.stdin.buffer, name="stdin", partial=partial, progress=progress)
        return recognizer.transcribe(file, partial=partial, progress=progress)
    finally:
        progress.close()


def _print(transcript: Transcript, name: str, named: bool) -> None:
    prefix = f"{transcript.file}\t" if named and name == "txt" else ""
    click.echo(prefix + FORMATS[name](transcript), nl=False)
