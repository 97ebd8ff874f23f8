"""`asr data augment|join|sounds`: make corpora from others, or from synthetic sounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from asr.cli.console import Progress, list_bad, report
from asr.cli.shared_options import check_output, json_option, quiet_option, seed_option
from asr.config import from_dict, read_toml, with_overrides
from asr.data.manifest import Manifest, read_manifest, write_manifest
from asr.errors import ConfigError


def _section_options(section: str, example: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Options that configure a command by a section of a file and by keys such as `example`."""

    def add(command: Callable[..., int]) -> Callable[..., int]:
        command = click.option(
            "--set", "overrides", multiple=True, metavar="KEY=VALUE",
            help=f"Set a configuration key, such as {example}; may be repeated.",
        )(command)  # fmt: skip
        return click.option(
            "--config", "config_path", type=click.Path(path_type=Path),
            help=f"Configuration (TOML) with a section [{section}].",
        )(command)  # fmt: skip

    return add


@click.command("augment", short_help="Add noise, rooms, telephones and codecs to audio.")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for manifest.jsonl and audio.")
@_section_options("augment", "augment.telephone_probability=1")
@seed_option
@json_option()
@quiet_option
def augment(
    manifest: Path, output: Path, config_path: Path | None, overrides: tuple[str, ...], seed: int, as_json: bool
) -> int:
    """Write the utterances of MANIFEST with the noise, rooms, telephones and codecs of the section [augment].

    Other sections of the configuration are ignored. The same seed gives the same audio. Speed is unchanged unless the
    configuration names speeds.

    \b
    Example: asr data augment dev.jsonl --set augment.telephone_probability=1 --output dev-telephone
    """
    from asr.audio.augment import AugmentConfig
    from asr.data.derived import write_augmented

    values = _section(config_path, overrides, "augment")
    config = from_dict(AugmentConfig, {"speeds": [], **values}, "augment.")
    return _derived(
        manifest, output, as_json, lambda given, progress: write_augmented(given, config, seed, output, progress)
    )


@click.command("join", short_help="Concatenate utterances.")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for manifest.jsonl and audio.")
@_section_options("join", "join.share=1")
@seed_option
@json_option()
@quiet_option
def join(
    manifest: Path, output: Path, config_path: Path | None, overrides: tuple[str, ...], seed: int, as_json: bool
) -> int:
    """Concatenate utterances of MANIFEST with pauses between them, as in long recordings.

    The new manifest has the concatenated examples and the utterances that stay single.

    \b
    Example: asr data join train.jsonl --set join.share=0.3 --output train-joined
    """
    from asr.data.derived import write_joined
    from asr.data.joining import JoinConfig

    config = from_dict(JoinConfig, _section(config_path, overrides, "join"), "join.")
    return _derived(
        manifest, output, as_json, lambda given, progress: write_joined(given, config, seed, output, progress)
    )


@click.command("sounds", short_help="Make sounds without speech.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for manifest.jsonl and audio.")
@click.option("--number", default=200, show_default=True, type=click.IntRange(1), help="Number of sounds.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    help="Kind of sound: noise, swelling, hum, tone, music, clicks or silence; may be repeated.  [default: all]",
)
@click.option("--seconds", nargs=2, default=(2.0, 9.0), show_default=True, help="Shortest and longest length.")
@seed_option
@json_option()
@quiet_option
def sounds(
    output: Path, number: int, kinds: tuple[str, ...], seconds: tuple[float, float], seed: int, as_json: bool
) -> None:
    """Make sounds without speech, with empty texts, to train or test that a model recognises no words in them.

    \b
    Example: asr data sounds --number 5 --kind noise --seconds 60 60 --output five-minutes
    """
    from asr.audio.sounds import KINDS
    from asr.data.derived import write_sounds

    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not 0 < seconds[0] <= seconds[1]:
        wrong = f"kinds {', '.join(unknown)}" if unknown else f"lengths {seconds}"
        raise ConfigError(f"there are no {wrong}; kinds are {', '.join(KINDS)}, lengths above 0 and rising.")
    made = write_sounds(kinds or tuple(KINDS), number, seconds, seed, output)
    write_manifest(output / "manifest.jsonl", made)
    path, hours = output / "manifest.jsonl", sum(sound.duration for sound in made) / 3600
    report(f"{path}: {number} sounds, {hours:.2f} h", as_json, output=path, sounds=number, hours=round(hours, 4))


def _section(path: Path | None, overrides: tuple[str, ...], name: str) -> dict[str, Any]:
    values = (with_overrides({}, overrides) if path is None else read_toml(path, overrides)).get(name, {})
    if not isinstance(values, dict):
        raise ConfigError(f"{name} must be a section: [{name}].")
    return values


def _derived(manifest: Path, output: Path, as_json: bool, make: Callable[[Manifest, Progress], Manifest]) -> int:
    check_output(output / "manifest.jsonl", manifest)
    progress = Progress("writing audio")
    made = make(read_manifest(manifest, check_audio=True), progress)
    progress.close()
    write_manifest(output / "manifest.jsonl", made.utterances)
    list_bad(made.bad)
    path, count, hours = output / "manifest.jsonl", len(made.utterances), made.seconds / 3600
    text = f"{path}: {count} utterances, {hours:.2f} h"
    report(text, as_json, output=path, utterances=count, hours=round(hours, 4))
    return 1 if made.bad else 0
