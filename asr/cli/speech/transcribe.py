"""`asr transcribe`: audio files to text, subtitles or word times."""

from __future__ import annotations

import glob
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import click

from asr.audio.read import AUDIO_EXTENSIONS
from asr.audio.source import is_url, url_refused
from asr.callbacks import Progress as ProgressCallback
from asr.cli.console import FilesProgress, is_terminal, note, warn
from asr.cli.main import describe
from asr.cli.option_groups import GroupedCommand
from asr.cli.shared_options import check_output, device_option, quiet_option, threads_option
from asr.cli.speech.bulk_options import RAY, Bulk, bulk_options, run_on_ray
from asr.cli.speech.live import follow_microphone, follow_path
from asr.cli.speech.output_names import STDIN, AudioPath, journal_name, output_names
from asr.cli.speech.reading_options import numbers_option, raw_option, subtitle_options
from asr.cli.speech.search_options import MODEL_HELP, backend_option, language_options
from asr.decode.build import SearchOptions
from asr.errors import AsrError, AudioError, explain
from asr.recognizer.bulk_files import BulkTranscriber, TranscribeItem, default_jobs
from asr.recognizer.origins import NAME as ORIGINS
from asr.recognizer.origins import Origins, origin_of
from asr.recognizer.ray_files import RayJob
from asr.recognizer.recognizer import CHANNELS, MIXED, Recognizer
from asr.recognizer.results_file import ResultsFile
from asr.recognizer.subtitles import SubtitleStyle
from asr.recognizer.transcript import FORMATS, Transcript

GROUPS = {
    "Recognition": ("model", "hotwords", "hotword_file", "beam_size", "partial", "channels", "vad"),
    "Language model": ("lm", "neural_lm", "neural_share", "rescore"),
    "Output": ("formats", "output_dir", "output", "resume", "raw", "numbers", "frame_rate", "shots"),
    "Streams": ("stream", "realtime", "rate", "microphone", "microphone_device"),
    "Running": ("listed", "device", "backend", "threads", "jobs", "shard", "engine", "quiet"),
}
NAMELESS = ("srt", "vtt", "tsv", "TextGrid", "html")  # formats in which nothing says where the next file begins


@click.command(cls=GroupedCommand, groups=GROUPS)
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--model", help=f"{MODEL_HELP}  [default: english]")
@language_options
@click.option(
    "--format", "formats", multiple=True, type=click.Choice(list(FORMATS)), help="May be repeated.  [default: txt]"
)
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path),
    help="Write DIR/<stem>.<format> instead of printing; sub-folders of a folder are kept.",
)
@raw_option
@numbers_option
@subtitle_options
@device_option
@backend_option
@threads_option
@click.option("--partial", is_flag=True, help="Transcribe what can be read of a file that ends early.")
@click.option(
    "--channels",
    type=click.Choice(CHANNELS),
    default=MIXED,
    show_default=True,
    help="separate: transcribe each channel by itself, for recordings with a speaker on each.",
)
@click.option(
    "--vad/--no-vad",
    default=True,
    help="Skip what the model's detector finds is not speech; --no-vad skips only silence.  [default: vad]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on where an interrupted run with the same options stopped; within a long file too, except in JSON lines.",
)
@bulk_options
@click.option("--stream", is_flag=True, help="Print words while they come: txt, or json with an event a line.")
@click.option("--realtime", is_flag=True, help="With --stream: read a file no faster than it was spoken.")
@click.option(
    "--rate",
    type=click.IntRange(min=1),
    metavar="HZ",
    help="With --stream: standard input is raw samples of that rate, 16-bit, one channel, and no WAV file.",
)
@click.option("--microphone", is_flag=True, help="With --stream: listen to the microphone instead of a PATH.")
@click.option("--microphone-device", metavar="NAME", help="Number of the microphone, or a part of its name.")
@quiet_option
def command(
    paths: tuple[str, ...], model: str | None, search: SearchOptions, formats: tuple[str, ...],
    output_dir: Path | None, device: str, backend: str, threads: int, partial: bool, channels: str, vad: bool,
    resume: bool, bulk: Bulk, stream: bool, realtime: bool, rate: int | None, microphone: bool,
    microphone_device: str | None, raw: bool, numbers: str, style: SubtitleStyle,
) -> int:  # fmt: skip
    """Turn audio files into text, subtitles or word times.

    PATH is a file, a folder (all audio in it), a quoted glob, or - for standard input. Files that cannot be read are
    named on stderr and the others transcribed; the exit code is then 1.

    \b
    Examples:
      asr transcribe talk.mp3
      asr transcribe lectures/ --format srt --format json --output-dir out
      asr transcribe talk.mp3 --format html > talk.html
      asr transcribe call.wav --channels separate
      asr transcribe lectures/ --output results.jsonl --resume
      asr transcribe --stream --microphone
      arecord -r 16000 -f S16_LE -t raw | asr transcribe --stream --rate 16000 -
    """
    if stream:
        _check_stream(paths, formats, output_dir, microphone, channels, resume)
        bulk.check_stream()
        recognizer = Recognizer.from_options(
            model, search, raw=raw, numbers=numbers, vad=vad, backend=backend, device=device, threads=threads, note=note
        )
        as_json = formats == ("json",)
        if microphone:
            follow_microphone(recognizer, microphone_device, as_json)
        else:
            follow_path(recognizer, paths[0], rate, realtime, partial, as_json)
        return 0
    if microphone or realtime or rate is not None:
        raise click.UsageError("--microphone, --realtime and --rate are for --stream.")
    if not paths and bulk.listed is None:
        raise click.UsageError("Missing argument 'PATH...'.")
    if resume and output_dir is None and bulk.output is None:
        raise click.UsageError("--resume needs --output-dir or --output.")
    bulk.check(output_dir, formats)
    if bulk.engine == RAY:
        bulk.check_ray(channels, device, threads)
    files, missing = expand(bulk.with_listed(paths))
    for error in missing:
        warn(f"asr: {error}")
    if not files:
        return 1
    bulk.check_files(len(files) + len(missing))
    check_output(bulk.output, bulk.listed, *(file.path for file in files))
    own = bulk.own([file.path for file in files])
    if bulk.engine == RAY:
        assert bulk.output is not None
        job = RayJob(
            model=model,
            search=search,
            output=bulk.output,
            backend=backend,
            partial=partial,
            raw=raw,
            numbers=numbers,
            vad=vad,
        )
        return 1 if run_on_ray([file.path for file in files if file.path in own], job) or missing else 0
    if output_dir is not None:
        _make_folder(output_dir)
    single = bulk.transcript_format
    if single is not None and bulk.output is not None:
        _make_folder(bulk.output.parent)
    results = None if bulk.output is None or single is not None else ResultsFile(bulk.output, resume)
    origins = _origins(output_dir, None if single is None else bulk.output, resume)
    jobs = min(bulk.jobs or default_jobs(), len(files))
    threads = threads or (1 if jobs > 1 else 0)  # several files have a core each
    recognizer = Recognizer.from_options(
        model, search, raw=raw, numbers=numbers, vad=vad, backend=backend, device=device, threads=threads, note=note
    )
    tasks: list[_Task] = []
    for file, stem in zip(files, output_names(files), strict=True):
        outputs, beside = {}, None
        if output_dir is not None:
            outputs, beside = _outputs(output_dir, stem, formats), output_dir / stem
        elif single is not None and bulk.output is not None:
            outputs, beside = {single: bulk.output}, bulk.output
        journal = None if beside is None or file.path == STDIN else journal_name(beside)
        if file.path in own and not (results is not None and file.path in results.done):
            tasks.append(_Task(len(tasks), file.path, partial, channels, outputs, journal, resume, style, origins))
    failed = len(missing)
    jobs = min(jobs, len(tasks))
    label = Path(tasks[0].file).name if len(tasks) == 1 else "transcribing"
    with (
        closing(FilesProgress(label, len(tasks))) as bar,
        BulkTranscriber(recognizer, max(1, jobs)) as transcriber,
        results or nullcontext(),
    ):
        for task, result in transcriber.each(tasks, _with_progress(bar)):
            try:
                transcript = result.result()
                if results is not None:
                    results.add(task.file, transcript.to_json())
                elif not task.outputs:
                    with bar.hidden() if is_terminal(sys.stdout) else nullcontext():
                        for name in formats or ("txt",):
                            several = len(files) > 1
                            _print(transcript, name, several, len(formats) > 1 or (several and name in NAMELESS))
            except _Done:
                continue
            except BrokenPipeError:
                raise  # nobody reads any more
            except Exception as error:  # whatever it is: the other files are done
                with bar.hidden():
                    _report(error, task.file)
                failed += 1
    return 1 if failed else 0


def _report(error: Exception, file: str) -> None:
    if click.get_current_context().find_root().params.get("debug"):
        warn("".join(traceback.format_exception(error)))
    message = describe(error, command) if isinstance(error, AsrError) else explain(error)
    warn(f"asr: {message if file in message else f'{file}: {message}'}")


def _outputs(folder: Path, stem: Path, formats: tuple[str, ...]) -> dict[str, Path]:
    return {name: folder / stem.with_name(f"{stem.name}.{name}") for name in formats or ("txt",)}


def _check_stream(
    paths: tuple[str, ...], formats: tuple[str, ...], output_dir: Path | None, microphone: bool, channels: str,
    resume: bool,
) -> None:  # fmt: skip
    """Raise a usage error for what does not go with --stream."""
    if microphone == bool(paths) or len(paths) > 1:
        raise click.UsageError("--stream needs one PATH, - for standard input, or --microphone.")
    if output_dir is not None or formats not in ((), ("txt",), ("json",)):
        raise click.UsageError("--stream prints txt or json, as it comes; leave out --output-dir and other formats.")
    if channels != MIXED or resume:
        raise click.UsageError("--stream goes neither with --channels separate nor with --resume.")


def _origins(output_dir: Path | None, output: Path | None, resume: bool) -> Origins | None:
    """Where it is kept of which recording each output is: in a folder of outputs always, beside one to go on with."""
    if output_dir is not None:
        return Origins(output_dir)
    if output is None or not (resume or (output.parent / ORIGINS).exists()):
        return None
    return Origins(output.parent)


def expand(paths: Sequence[str]) -> tuple[list[AudioPath], list[AsrError]]:
    """The files that paths, folders and globs name, in order, each once; and an error for each that names none."""
    files: list[AudioPath] = []
    errors: list[AsrError] = []
    for path in paths:
        root = ""
        named: list[str] = []
        if not path:
            errors.append(AudioError("an empty path names no audio file."))
        elif is_url(path):
            errors.append(url_refused(path))
        elif os.path.isdir(path):
            root = path
            named, unread = _audio_below(path)
            errors += unread
            if not named and not unread:
                errors.append(
                    AudioError(f"{path} holds no audio file; known are {' '.join(sorted(AUDIO_EXTENSIONS))}.")
                )
        elif not os.path.exists(path) and glob.has_magic(path):
            named = sorted(name for name in glob.glob(path, recursive=True) if os.path.isfile(name))
            if not named:
                errors.append(AudioError(f"no file matches {path}; check the pattern."))
        else:
            named = [path]
        files += [AudioPath(name, root) for name in named]
    return list({file.path: file for file in reversed(files)}.values())[::-1], errors


def _audio_below(folder: str) -> tuple[list[str], list[AsrError]]:
    """The audio files in a folder and its sub-folders, sorted; and an error for each of these that cannot be listed."""
    unread: list[OSError] = []
    entries = (Path(parent, name) for parent, _, names in os.walk(folder, onerror=unread.append) for name in names)
    named = sorted(str(entry) for entry in entries if _is_audio(entry))
    return named, [
        AudioError(f"the folder {error.filename} cannot be read ({error.strerror}); check its permissions.")
        for error in unread
    ]


def _is_audio(entry: Path) -> bool:
    """Whether an entry of a folder is to be transcribed. A link to nothing is, so that it is named as missing."""
    if entry.suffix.lower() not in AUDIO_EXTENSIONS or entry.name.startswith("._"):  # those are macOS's own notes
        return False
    return entry.is_file() or (entry.is_symlink() and not entry.exists())


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise AsrError(f"cannot write into the output folder {folder}; choose another.")


class _Done(Exception):
    """A file whose outputs are there already."""


@dataclass(frozen=True)
class _Task:
    """A file, and what is to be made of it."""

    number: int  # from 0
    file: str
    partial: bool
    channels: str
    outputs: Mapping[str, Path]  # by format
    journal: Path | None
    resume: bool
    style: SubtitleStyle
    origins: Origins | None


def _with_progress(bar: FilesProgress) -> TranscribeItem[_Task]:
    """What makes the transcript of a task and shows in the bar how much of it is done."""

    def transcribe(recognizer: Recognizer, task: _Task, check: ProgressCallback) -> Transcript:
        def progress(done: float, total: float) -> None:
            check(done, total)
            bar.of(task.number, done, total)

        try:
            return _transcribe(recognizer, task, progress)
        finally:
            bar.end(task.number)

    return transcribe


def _transcribe(recognizer: Recognizer, task: _Task, progress: ProgressCallback) -> Transcript:
    """The task's transcript, its outputs written. Raises _Done where they are there already."""
    known = task.origins is not None and task.file != STDIN and os.path.exists(task.file)
    origin = origin_of(task.file) if known else None
    outputs = list(task.outputs.values())
    if task.resume and task.origins is not None and origin is not None and task.origins.are_of(outputs, origin):
        raise _Done
    if task.journal is not None and not task.resume:
        task.journal.unlink(missing_ok=True)
    source, name = (sys.stdin.buffer, "stdin") if task.file == STDIN else (task.file, None)
    transcript = recognizer.transcribe(
        source, name=name, partial=task.partial, channels=task.channels, journal=task.journal, progress=progress
    )
    transcript = replace(transcript, style=task.style)
    if task.origins is not None:
        task.origins.forget(outputs)
    for form, output in task.outputs.items():
        transcript.write(output, form)
    if task.origins is not None and origin is not None:
        task.origins.add(outputs, origin)
    if task.journal is not None:
        task.journal.unlink(missing_ok=True)
    return transcript


def _print(transcript: Transcript, name: str, named: bool, headed: bool) -> None:
    """Print a transcript; named: of several files, the text of each is a line with its name. headed: after a line that
    names file and format."""
    one_line = named and name == "txt" and not any(word.channel is not None for word in transcript.words)
    text = f"{transcript.text}\n" if one_line else FORMATS[name](transcript)
    # A name may hold line breaks, and bytes that are no UTF-8, which are written as escapes.
    shown = "".join(character if character.isprintable() else repr(character)[1:-1] for character in transcript.file)
    prefix = f"{shown}\t" if named and name == "txt" else ""
    if headed:
        click.echo(f"==> {shown}: {name} <==")
    click.echo((prefix + text).encode(errors="backslashreplace").decode(), nl=False)
