"""The command `asr`: subcommands are imported only when they are called, so that each starts light."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from typing import Any

import click

from asr.errors import AsrError, ConfigError

COMMANDS = {
    "transcribe": ("asr.cli.speech.transcribe", "Turn audio files into text, subtitles or word times."),
    "train": ("asr.cli.speech.train", "Train an acoustic model."),
    "decode": ("asr.cli.speech.decode", "Decode a manifest, or stored log-probabilities of any CTC system."),
    "tune": ("asr.cli.speech.tune", "Find the search's weights on a dev set."),
    "align": ("asr.cli.speech.align", "Find when the words of a known text are said."),
    "score": ("asr.cli.speech.score", "Word and character error rates with intervals and a paired test."),
    "lm": ("asr.cli.lm.make", "Make language models."),
    "tokens": ("asr.cli.data.tokens", "Make token sets and lexicons."),
    "features": ("asr.cli.data.features", "Compute filterbank or MFCC features of a file."),
    "data": ("asr.cli.data.corpora", "Import, check, describe and split corpora."),
    "nlp": ("asr.cli.nlp", "Classify texts, and judge it beside a baseline."),
    "forecast": ("asr.cli.forecast.series", "Forecast a series, and judge forecasts honestly."),
    "inspect": ("asr.cli.inspect.networks", "Look into recurrent networks: gates, attributions, gradients, memory."),
    "checkpoint": ("asr.cli.models", "Describe, average and pack model folders."),
}


class LazyGroup(click.Group):
    """A group that imports a subcommand's module only when it is used; help texts come from `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command: click.Command = importlib.import_module(module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"asr {version('lstm-asr')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Speech recognition with LSTMs: transcribe audio, train and compare models.

    \b
    Example: asr transcribe talk.mp3 --format srt
    """
    ctx.obj = {"debug": debug}


def main(arguments: list[str] | None = None) -> None:
    """Entry point: exit code 0 all done, 1 something could not be done, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        result: Any = cli.main(arguments, prog_name="asr", standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except click.exceptions.Abort:
        click.echo("asr: stopped.", err=True)
        sys.exit(130)
    except KeyboardInterrupt:
        click.echo("asr: stopped.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (AsrError, OSError) as error:
        if "--debug" in arguments:
            raise
        click.echo(f"asr: {describe(error)}", err=True)
        sys.exit(2 if isinstance(error, ConfigError) else 1)


def describe(error: Exception) -> str:
    """An error as one sentence."""
    if isinstance(error, OSError) and not isinstance(error, AsrError):
        target = f" {error.filename}" if error.filename else ""
        return f"cannot use{target}: {error.strerror or error}; check the path, its permissions and the space left."
    return str(error)
