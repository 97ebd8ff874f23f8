"""Options that commands of all subjects share: what they print, and where they compute."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from asr.cli import console
from asr.errors import ConfigError

Command = Callable[..., Any]
KNOWN_SUFFIXES = frozenset(
    ".txt .trn .json .jsonl .srt .vtt .tsv .ctm .textgrid .html .csv .npy .npz .mat .h5 .pt .ark .scp .png .svg .pdf "
    ".wav .flac .mp3 .gz .bz2 .xz .zip".split()
)  # of formats of this program and its field, lower case

seed_option = click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of the random choices."
)


def _be_quiet(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        console.be_quiet(True)  # until `asr.cli.main.main` ends


quiet_option = click.option(
    "--quiet", is_flag=True, expose_value=False, is_eager=True, callback=_be_quiet,
    help="Print no progress and no notes on stderr; errors and warnings stay.",
)  # fmt: skip
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
threads_option = click.option(
    "--threads", default=0, type=click.IntRange(min=0), help="CPU threads.  [default: all cores]"
)
search_threads_option = click.option(
    "--threads", default=0, type=click.IntRange(min=0),
    help="CPU threads; the search takes an utterance in each.  [default: all for the network, one for the search]",
)  # fmt: skip


def json_option(text: str = "Print the result as JSON.") -> Callable[[Command], Command]:
    """The option --json, which the command takes as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=text)


def show_config_option(load: Callable[[], type]) -> Callable[[Command], Command]:
    """The option --show-config, which prints a configuration of all keys. load: returns its dataclass."""

    def show(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            from asr.config_reference import as_toml

            click.echo(as_toml(load()), nl=False)
            ctx.exit()

    return click.option(
        "--show-config", is_flag=True, is_eager=True, expose_value=False, callback=show,
        help="Print every key of a configuration with its default and meaning.",
    )  # fmt: skip


config_option = click.option("--config", "config_path", type=click.Path(path_type=Path), help="Configuration (TOML).")


def training_options(
    load: Callable[[], type], config: Callable[[Command], Command] = config_option
) -> Callable[[Command], Command]:
    """The options of every training.

    The command takes --config as `config_path`, --output, --resume, --json as `as_json`, and --set, --device and
    --threads together as `overrides`, a list of KEY=VALUE. load: returns the configuration's dataclass, which
    --show-config prints. config: --config, where it is a special one.
    """

    def add(command: Command) -> Command:
        @wraps(command)
        def collecting(*, overrides: tuple[str, ...], device: str | None, threads: int | None, **values: Any) -> Any:
            given = {"train.device": device, "train.threads": threads}
            chosen = [f"{key}={value}" for key, value in given.items() if value is not None]
            return command(overrides=[*overrides, *chosen], **values)

        decorated: Command = collecting
        for option in reversed((config, *_TRAINING, show_config_option(load), json_option(), quiet_option)):
            decorated = option(decorated)
        return decorated

    return add


_TRAINING = (
    click.option("--output", required=True, type=click.Path(path_type=Path), help="Model folder to write."),
    click.option("--resume", is_flag=True, help="Continue the run in OUTPUT; begin one if there is none."),
    click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE",
        help="Set a key of the configuration, such as train.epochs=5; may be repeated.",
    ),
    click.option("--device", help="auto, cpu or cuda.  [default: that of the configuration, auto]"),
    click.option(
        "--threads", type=click.IntRange(min=0),
        help="CPU threads, 0 for all cores.  [default: those of the configuration, all cores]",
    ),
)  # fmt: skip


processes_option = click.option(
    "--processes", "count", default=1, show_default=True, type=click.IntRange(1),
    help="Processes that share out each step's batches (train.accumulate must be a multiple).",
)  # fmt: skip


def check_output(output: Path | None, *inputs: object) -> None:
    """Raise ConfigError where an output would overwrite a file or folder that is read. inputs: paths of these."""
    if output is None or not (output.is_file() or output.is_dir()):
        return
    for given in inputs:
        if isinstance(given, str | Path) and Path(given).exists() and output.samefile(given):
            raise ConfigError(f"--output {output} would overwrite what is read; choose another name.")


def check_suffix(output: Path | None, written: str, *suffixes: str) -> None:
    """Raise ConfigError where an output is named as another format.

    written: what the file will hold. suffixes: those that its name may have; unknown ones may be, too.
    """
    suffix = "" if output is None else output.suffix.lower()
    if suffix in KNOWN_SUFFIXES and suffix not in suffixes:
        raise ConfigError(f"--output {output} would hold {written}, not {suffix}; let its name end in "
                          f"{' or '.join(suffixes)}.")  # fmt: skip


def weights_of(text: str | None, count: int) -> list[float]:
    """The weights of `count` models from the text of --weights; equal ones without a text."""
    if text is None:
        return [1 / count] * count
    try:
        values = [float(field) for field in text.split(",")]
    except ValueError:
        raise ConfigError(f"--weights '{text}' must be numbers separated by commas.") from None
    if len(values) != count or any(value < 0 for value in values) or not 0.999 < sum(values) < 1.001:
        raise ConfigError(f"--weights '{text}' must be {count} numbers of 0 or more that sum to 1, one for each model.")
    return [value / sum(values) for value in values]
