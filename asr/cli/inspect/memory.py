"""`asr inspect gradients|memory|mackey-glass`: how long networks of each kind remember, by experiment."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import click

from asr.cli.console import TrainingProgress, note
from asr.cli.figures import new_figure, save_figure
from asr.errors import ConfigError

DISTANCES = (1, 2, 5, 10, 20, 50, 100)


@click.command("gradients")
@click.option("--kinds", default="rnn,gru,lstm", show_default=True, help="Names with commas between them.")
@click.option("--steps", default=101, show_default=True, type=click.IntRange(2), help="Steps back.")
@click.option("--size", default=64, show_default=True, type=click.IntRange(1), help="Units.")
@click.option("--seed", default=1, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Picture to write (.png).")
@click.option("--json", "as_json", is_flag=True)
def gradients(kinds: str, steps: int, size: int, seed: int, output: Path | None, as_json: bool) -> None:
    """How far gradients reach back: the vanishing gradient of each kind before training, relative to distance 0.

    \b
    Example: asr inspect gradients --kinds rnn,gru,lstm --output reach.png
    """
    from asr.analysis.gates import gradient_reach

    names = [name for name in kinds.replace(",", " ").split() if name]
    try:
        found = {name: gradient_reach(name, steps, size, seed=seed).tolist() for name in names}
    except ValueError as error:
        raise ConfigError(f"{error}.") from None
    if output is not None:
        _draw_reach(output, found)
        note(f"{output}: picture")
    if as_json:
        click.echo(json.dumps(found))
        return
    distances = [distance for distance in DISTANCES if distance < steps]
    click.echo(f"{'steps back':<16}" + "".join(f"{distance:>10}" for distance in distances))
    for name, norms in found.items():
        click.echo(f"{name:<16}" + "".join(f"{norms[distance]:10.1e}" for distance in distances))


@click.command("mackey-glass")
@click.option("--units", default=1000, show_default=True, type=click.IntRange(1), help="Of the reservoir.")
@click.option("--ahead", default=84, show_default=True, type=click.IntRange(1), help="Steps.")
@click.option("--trials", default=50, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True)
def mackey_glass(units: int, ahead: int, trials: int, seed: int) -> None:
    """How well an echo state network foretells the Mackey-Glass series, delay 17, from its own outputs.

    The network hears 3,000 steps after a washout of 1,000, and is then let run from other places; printed is the root
    of the mean squared error at the last step over the series' deviation (Jaeger & Haas 2004).

    \b
    Example: asr inspect mackey-glass --units 1000
    """
    from asr.analysis.echo_state import mackey_glass_error

    error = mackey_glass_error(units, ahead=ahead, trials=trials, seed=seed)
    click.echo(f"NRMSE {ahead} steps ahead: {error:.2e} ({units} units, {trials} trials)")


@click.command("memory")
@click.argument("test", type=click.Choice(["adding", "copying"]))
@click.option("--kinds", default="rnn,gru,lstm", show_default=True, help="Names with commas between them.")
@click.option("--length", default=100, show_default=True, type=click.IntRange(2), help="Steps to remember over.")
@click.option("--size", default=64, show_default=True, type=click.IntRange(1), help="Units.")
@click.option("--epochs", default=20, show_default=True, type=click.IntRange(1), help="Of 100 batches of 32.")
@click.option("--rate", default=2e-3, show_default=True, help="Peak learning rate.")
@click.option("--seed", default=1, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Picture of the curves to write (.png).")
@click.option("--json", "as_json", is_flag=True)
def memory(
    test: str, kinds: str, length: int, size: int, epochs: int, rate: float, seed: int, output: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """The two classic tests of memory: each kind learns to add two marked numbers of a long sequence, or to copy.

    adding: mean squared error; a network that remembers nothing stays at 0.1667. copying: cross-entropy of ten signs
    after LENGTH steps of nothing; without memory 10 ln 8 / (LENGTH + 20).

    \b
    Example: asr inspect memory adding --kinds rnn,gru,lstm --length 100 --output adding.png
    """
    from asr.analysis.memory_tasks import ADDING_BASELINE, MemoryTask, copying_baseline
    from asr.train.config import TrainConfig
    from asr.train.loop import Trainer

    names = [name for name in kinds.replace(",", " ").split() if name]
    config = TrainConfig(epochs=epochs, peak_lr=rate, average=1, weight_decay=0.0, device="cpu", seed=seed)
    tasks = [MemoryTask(name, test, length, size, seed=seed) for name in names]
    curves: dict[str, list[float]] = {}
    for task in tasks:
        found = [task.validate(_cpu())["held_out"]]
        progress = TrainingProgress(partial(_add_loss, found), task.kind)
        with tempfile.TemporaryDirectory() as folder:
            Trainer(task, config, Path(folder), progress).run()
        progress.close()
        curves[task.kind] = found
    baseline = ADDING_BASELINE if test == "adding" else copying_baseline(length)
    if output is not None:
        _draw_curves(output, curves, baseline, f"{test}, {length} steps, {size} units", task.steps)
        note(f"{output}: picture")
    if as_json:
        click.echo(json.dumps({"without_memory": baseline, "curves": curves}))
        return
    click.echo(f"{'without memory':<16} {baseline:.4f}")
    for name, curve in curves.items():
        under = next((place for place, loss in enumerate(curve) if loss < baseline / 10), None)
        when = "" if under is None else f", under a tenth of that from epoch {under} on"
        click.echo(f"{name:<16} {curve[-1]:.4f}{when}")


def _add_loss(found: list[float], entry: dict[str, Any]) -> str:
    """Keep an epoch's loss; nothing is said of it."""
    found.append(entry["held_out"])
    return ""


def _cpu() -> Any:
    import torch

    return torch.device("cpu")


def _draw_reach(path: Path, found: dict[str, list[float]]) -> None:
    figure = new_figure(8, 5)
    axes = figure.add_subplot()
    for name, norms in found.items():
        axes.semilogy(range(len(norms)), norms, label=name)
    axes.set_xlabel("steps back")
    axes.set_ylabel("gradient norm relative to the last step")
    axes.legend()
    save_figure(figure, path)


def _draw_curves(path: Path, curves: dict[str, list[float]], baseline: float, title: str, steps: int) -> None:
    figure = new_figure(8, 5)
    axes = figure.add_subplot()
    for name, losses in curves.items():
        axes.semilogy([place * steps for place in range(len(losses))], losses, label=name)
    axes.axhline(baseline, color="grey", linestyle=":", label="without memory")
    axes.set_title(title)
    axes.set_xlabel("training steps")
    axes.set_ylabel("loss on new sequences")
    axes.legend()
    save_figure(figure, path)
