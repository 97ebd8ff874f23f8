"""`asr train`: train an acoustic model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asr.cli.console import TrainingProgress, list_bad, note, note_resumed, report, warn
from asr.cli.shared_options import processes_option, training_options
from asr.config import from_dict, read_toml
from asr.data.manifest import BadItem, Manifest, read_manifest, shared_utterances
from asr.shipped import available_configurations, configuration_path
from asr.train.log import EpochLog

if TYPE_CHECKING:
    from asr.acoustic.run import AcousticRun, AcousticRunConfig
    from asr.gmm.run import GaussianRun, GaussianRunConfig


def _config_class() -> type:
    from asr.acoustic.run import AcousticRunConfig

    return AcousticRunConfig


@click.command()
@click.option("--train", "train_path", required=True, type=click.Path(path_type=Path), help="Manifest to train on.")
@click.option("--dev", "dev_path", required=True, type=click.Path(path_type=Path), help="Manifest to validate on.")
@processes_option
@training_options(
    _config_class,
    click.option(
        "--config",
        "config_path",
        required=True,
        help=f"Configuration: a TOML file, or one that is shipped, by name ({', '.join(available_configurations())}).",
    ),
)
def command(
    config_path: str,
    train_path: Path,
    dev_path: Path,
    output: Path,
    resume: bool,
    count: int,
    overrides: list[str],
    as_json: bool,
) -> None:
    """Train an acoustic model, from the beginning or from another one (--set init=MODEL).

    A run may be killed at any moment: --resume continues from its last checkpoint and ends with the same weights.

    \b
    Examples:
      asr train --config blocks --train train.jsonl --dev dev.jsonl --output model
      asr train --show-config > mine.toml
    """
    from asr.train.processes import helpers

    values = read_toml(configuration_path(config_path), overrides)
    with helpers(count):
        _train(values, train_path, dev_path, output, resume, as_json)


def _configuration(values: dict[str, Any]) -> AcousticRunConfig | GaussianRunConfig:
    """A configuration, checked before any manifest is read."""
    from asr.acoustic.run import AcousticRunConfig
    from asr.gmm.config import GAUSSIAN
    from asr.gmm.run import GaussianRunConfig

    if values.get("model", {}).get("kind") == GAUSSIAN:
        return from_dict(GaussianRunConfig, values)
    return from_dict(AcousticRunConfig, values)


def _run(
    config: AcousticRunConfig | GaussianRunConfig, train: Manifest, dev: Manifest, output: Path
) -> AcousticRun | GaussianRun:
    """The run that a configuration asks for."""
    from asr.acoustic.run import AcousticRun
    from asr.gmm.run import GaussianRun, GaussianRunConfig

    if isinstance(config, GaussianRunConfig):
        return GaussianRun(config, train, dev, output)
    return AcousticRun(config, train, dev, output)


def _train(values: dict[str, Any], train_path: Path, dev_path: Path, output: Path, resume: bool, as_json: bool) -> None:
    from asr.train.processes import rank

    config = _configuration(values)
    if rank() > 0:  # the first process speaks for all
        train, dev = (read_manifest(path, check_audio=True) for path in (train_path, dev_path))
        _run(config, train, dev, output).train(resume)
        return
    train, dev = (_manifest(path) for path in (train_path, dev_path))
    if shared := shared_utterances(train, dev):
        warn(
            f"warning: {shared} of {len(dev.utterances)} utterances of the dev set are trained on: "
            "its errors say little of other recordings"
        )
    run = _run(config, train, dev, output)
    list_bad(run.bad)
    list_bad(run.cramped, "with an infinite CTC loss at normal speed, not trained on")
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    hours = sum(utterance.duration for utterance in run.trained_on) / 3600
    note(f"training {parameters / 1e6:.2f} M parameters on {len(run.trained_on)} utterances, {hours:.2f} h")
    if resume:
        note_resumed(output, config.train)
    reporter = TrainingProgress(_epoch_line)
    final = run.train(resume, reporter)
    reporter.close()
    list_bad([BadItem(name, reason) for name, reason in run.unreadable.items()], "could not be read")
    faster = run.cramped_when_faster
    if faster:
        note(f"{len(faster)} more had an infinite CTC loss when played faster: {' '.join(faster[:5])}")
    text = f"{output}: {final.weights}, {_figures(final.figures)}"
    report(text, as_json, output=output, weights=final.weights, **final.figures)


def _manifest(path: Path) -> Manifest:
    manifest = read_manifest(path, check_audio=True)
    list_bad(manifest.bad)
    return manifest


def _figures(figures: Mapping[str, float]) -> str:
    shown = [f"{name} {figures[name]:.2%}" for name in ("wer", "ter") if name in figures]
    return ", ".join([*shown, *(f"dev loss {figures[name]:.4f}" for name in ("crf",) if name in figures)])


def _epoch_line(entry: EpochLog) -> str:
    infeasible = entry.counts.get("infeasible", 0.0)
    skipped = f", {infeasible:.0f} infinite losses" if infeasible else ""
    parts = [f"loss {entry.loss:.4f}", _figures(entry.figures), str(entry.speed or "")]
    return ", ".join(part for part in parts if part) + skipped
