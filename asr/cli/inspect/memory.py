"""`asr inspect gradients|memory|mackey-glass`: experiments on how long networks of each kind remember."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from asr.cli.console import TrainingProgress, note
from asr.cli.figures import PicturePath, new_figure, save_figure
from asr.cli.shared_options import json_option, quiet_option
from asr.errors import ConfigError
from asr.nn.kinds import KINDS
from asr.train.log import EpochLog, FinalLog, StepLog

KINDS_HELP = f"Kinds of layers, with commas between them: {', '.join(KINDS)}."
DISTANCES = (1, 2, 5, 10, 20, 50, 100)


@click.command("gradients", short_help="Show how far gradients reach back.")
@click.option("--kinds", default="rnn,gru,lstm", show_default=True, help=KINDS_HELP)
@click.option("--steps", default=101, show_default=True, type=click.IntRange(2), help="Number of steps to go back.")
@click.option("--size", default=64, show_default=True, type=click.IntRange(1), help="Units of the layer.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of weights and sequences.")
@click.option("--output", type=PicturePath(), help="Picture to write (.png).")
@json_option()
@quiet_option
def gradients(kinds: str, steps: int, size: int, seed: int, output: Path | None, as_json: bool) -> None:
    """Show how far gradients reach back (the vanishing gradient), for untrained networks of each kind.

    Printed is the norm of the last output's gradient with respect to earlier inputs, relative to that with respect to
    the last input.

    \b
    Example: asr inspect gradients --kinds rnn,gru,lstm --output reach.png
    """
    from asr.analysis.gradient_reach import gradient_reach

    names = [name for name in kinds.replace(",", " ").split() if name]
    try:
        reach = {name: gradient_reach(name, steps, size, seed=seed).tolist() for name in names}
    except ValueError as error:
        raise ConfigError(f"{error}.") from None
    if output is not None:
        _draw_reach(output, reach)
        note(f"{output}: picture")
    if as_json:
        click.echo(json.dumps(reach))
        return
    distances = [distance for distance in DISTANCES if distance < steps]
    click.echo(f"{'steps back':<16}" + "".join(f"{distance:>10}" for distance in distances))
    for name, norms in reach.items():
        click.echo(f"{name:<16}" + "".join(f"{norms[distance]:10.1e}" for distance in distances))


@click.command("mackey-glass", short_help="Measure an echo state network on a chaotic series.")
@click.option("--units", default=1000, show_default=True, type=click.IntRange(1), help="Units of the reservoir.")
@click.option("--ahead", default=84, show_default=True, type=click.IntRange(1), help="Steps to predict.")
@click.option("--trials", default=50, show_default=True, type=click.IntRange(1), help="Places to predict from.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of the reservoir's weights.")
@json_option()
@quiet_option
def mackey_glass(units: int, ahead: int, trials: int, seed: int, as_json: bool) -> None:
    """Measure how well an echo state network continues the Mackey-Glass series (delay 17).

    The network is fitted to 3,000 steps after a washout of 1,000 and then runs freely from other places. Printed is the
    root mean squared error of the last step, divided by the standard deviation of the series (Jaeger & Haas 2004).

    \b
    Example: asr inspect mackey-glass --units 1000
    """
    from asr.analysis.mackey_glass import mackey_glass_error

    error = mackey_glass_error(units, ahead=ahead, trials=trials, seed=seed)
    if as_json:
        click.echo(json.dumps({"nrmse": error, "ahead": ahead, "units": units, "trials": trials}))
        return
    click.echo(f"NRMSE {ahead} steps ahead: {error:.2e} ({units} units, {trials} trials)")


@click.command("memory", short_help="Train networks on a memory test.")
@click.argument("test", type=click.Choice(["adding", "copying"]))
@click.option("--kinds", default="rnn,gru,lstm", show_default=True, help=KINDS_HELP)
@click.option(
    "--length",
    default=100,
    show_default=True,
    type=click.IntRange(2),
    help="Length of the sequence or of the wait, in steps.",
)
@click.option("--size", default=64, show_default=True, type=click.IntRange(1), help="Units of the layer.")
@click.option("--epochs", default=20, show_default=True, type=click.IntRange(1), help="Epochs of 100 batches of 32.")
@click.option("--rate", default=2e-3, show_default=True, help="Peak learning rate.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of weights and sequences.")
@click.option("--output", type=PicturePath(), help="Picture of the learning curves to write (.png).")
@json_option("Print the learning curves as JSON.")
@quiet_option
def memory(
    test: str, kinds: str, length: int, size: int, epochs: int, rate: float, seed: int, output: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Train networks of each kind on one of the two classic tests of memory.

    adding: the sum of two marked numbers of a sequence. Printed is the mean squared error, which is 0.1667 without
    memory. copying: ten symbols, to be repeated after LENGTH steps of waiting. Printed is the cross-entropy, which is
    10 ln 8 / (LENGTH + 20) without memory.

    \b
    Example: asr inspect memory adding --kinds rnn,gru,lstm --length 100 --output adding.png
    """
    import torch

    from asr.analysis.memory_tasks import ADDING_BASELINE, MemoryTask, copying_baseline
    from asr.train.config import TrainConfig
    from asr.train.loop import Trainer

    names = [name for name in kinds.replace(",", " ").split() if name]
    # One thread: the steps of so small a network are too short to be divided.
    config = TrainConfig(epochs=epochs, peak_lr=rate, average=1, weight_decay=0.0, device="cpu", threads=1, seed=seed)
    tasks = [MemoryTask(name, test, length, size, seed=seed) for name in names]
    curves: dict[str, list[float]] = {}
    for task in tasks:
        curve = curves[task.kind] = [task.validate(torch.device("cpu"))["held_out"]]
        progress = TrainingProgress(lambda _: "", task.kind)

        def report(
            entry: StepLog | EpochLog | FinalLog, curve: list[float] = curve, progress: TrainingProgress = progress
        ) -> None:
            progress(entry)
            if isinstance(entry, EpochLog):
                curve.append(entry.figures["held_out"])

        with tempfile.TemporaryDirectory() as folder:
            Trainer(task, config, Path(folder), report).run()
        progress.close()
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
        when = "" if under is None else f", below a tenth of that from epoch {under} on"
        click.echo(f"{name:<16} {curve[-1]:.4f}{when}")


def _draw_reach(path: Path, reach: dict[str, list[float]]) -> None:
    figure = new_figure(8, 5)
    axes = figure.add_subplot()
    for name, norms in reach.items():
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
