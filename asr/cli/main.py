"""The command `asr`. A subcommand is imported only when it is called, so that each starts quickly."""

from __future__ import annotations

import importlib
import os
import re
import signal
import sys
from collections.abc import Callable
from types import FrameType

import click

from asr.cli import console
from asr.errors import AsrError, ConfigError

COMMANDS = {
    "transcribe": ("asr.cli.speech.transcribe", "Turn audio files into text, subtitles or word times."),
    "serve": ("asr.cli.serve", "Serve transcription over HTTP and WebSockets, with a page."),
    "adapt": ("asr.cli.speech.adapt", "Adapt a model to a domain, to names, to a voice."),
    "train": ("asr.cli.speech.train", "Train an acoustic model."),
    "decode": ("asr.cli.speech.decode", "Decode a manifest, or stored log-probabilities of any CTC model."),
    "tune": ("asr.cli.speech.tune", "Tune the weights of the search on a dev set."),
    "align": ("asr.cli.speech.align", "Align a known text with its recording: when each word is spoken."),
    "score": ("asr.cli.speech.score", "Compute word and character error rates, with intervals and a paired test."),
    "evaluate": ("asr.cli.speech.evaluate", "Score a model on official LibriSpeech sets, from archive to table."),
    "lm": ("asr.cli.lm.make", "Train, evaluate, combine and pack language models."),
    "tokens": ("asr.cli.data.tokens", "Make token sets, word lists and lexicons."),
    "features": ("asr.cli.data.features", "Compute filterbank or MFCC features of an audio file."),
    "data": ("asr.cli.data.corpora", "Download, import, check, describe and split corpora."),
    "vad": ("asr.cli.vad", "Find where somebody speaks in recordings; train a detector of it."),
    "nlp": ("asr.cli.nlp", "Classify texts, or label their words (marks, capitals)."),
    "forecast": ("asr.cli.forecast.series", "Forecast time series and evaluate forecasts."),
    "inspect": ("asr.cli.inspect.networks", "Inspect recurrent networks: gates, attributions, gradients, memory."),
    "checkpoint": ("asr.cli.models", "Describe, average, export and pack model folders."),
}


class LazyGroup(click.Group):
    """A group that imports a subcommand's module when the subcommand is called; help texts come from `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command: click.Command = importlib.import_module(module).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The called command. Raises click's NoSuchCommand with the nearest names for an unknown one."""
        if not args[0].startswith("-") and args[0] not in COMMANDS:
            raise click.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"asr {version('lstm-asr')}")
        ctx.exit()


def _print_device(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from asr.device import choose_device

        click.echo(choose_device("auto").type)
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
@click.option(
    "--show-device",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_device,
    help="Print what 'auto' means for PyTorch on this machine: cpu or cuda.",
)
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Speech recognition with LSTMs: transcribe audio files, train and compare models.

    \b
    Example: asr transcribe talk.mp3 --format srt
    """
    ctx.obj = {"debug": debug}


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: with 0 if all was done, 1 if something could not be done, 2 for wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # NumPy is not loaded yet. Its products are too small for threads, which would keep the other cores busy waiting.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    told: list[int] = []
    restored = _stop_when_told(told)
    try:
        result: object = cli.main(arguments, prog_name="asr", standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("asr: stopped.", err=True)
        sys.exit(128 + (told[0] if told else signal.SIGINT))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (AsrError, OSError, ModuleNotFoundError, MemoryError) as error:
        if "--debug" in arguments:
            raise
        if isinstance(error, ModuleNotFoundError):
            from asr.extras import explained

            sentence = explained(error, "this command")
            if sentence is None:
                raise
            error = sentence
        click.echo(f"asr: {describe(error, called_command(arguments))}", err=True)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    finally:
        console.be_quiet(False)
        restored()


def _stop_when_told(told: list[int]) -> Callable[[], object]:
    """Let SIGTERM end a command as Ctrl-C does: what was written is whole, temporary files are removed.

    Returns what puts the former handler back. told: takes the signal's number when it comes.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        told.append(number)
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread
        return lambda: None
    return lambda: signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def called_command(arguments: list[str]) -> click.Command:
    """The innermost command that the arguments name."""
    command: click.Command = cli
    for argument in arguments:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), argument) or command
    return command


def every_command(
    command: click.Command = cli, names: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], click.Command]]:
    """All commands that do something, with the words that call them, in the order of the help."""
    if not isinstance(command, click.Group):
        return [(names, command)]
    context = click.Context(command)
    subcommands = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [found for name, sub in subcommands if sub for found in every_command(sub, (*names, name))]


def describe(error: Exception, command: click.Command) -> str:
    """An error as one sentence, in which a parameter in backquotes becomes the option of `command` of that name."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for this; close other programs, or give smaller files."
    if isinstance(error, OSError) and not isinstance(error, AsrError):
        target = f" {error.filename}" if error.filename else ""
        return f"cannot use{target}: {error.strerror or error}; check the path, its permissions and the space left."
    options = {parameter.name: parameter.opts[0] for parameter in command.params if isinstance(parameter, click.Option)}
    return re.sub(r"`(\w+)`", lambda name: options.get(name[1], name[0]), str(error))
