"""`asr inspect`: what recurrent networks do inside, drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from asr.atomic_file import replacing
from asr.cli.console import note
from asr.errors import AsrError, ConfigError

SHOWN = ("input", "forget", "output", "cell")
DISTANCES = (1, 2, 5, 10, 20, 50, 100)
MOST_UNITS = 64  # drawn, the most active ones


@click.group()
def command() -> None:
    """Look into recurrent networks.

    \b
    Example: asr inspect gates talk.wav --layer 1 --output gates.png
    """


@command.command("gates")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", default="english", show_default=True, help="Model folder, or a shipped model's name.")
@click.option("--layer", default=1, show_default=True, type=click.IntRange(1), help="From 1.")
@click.option("--backward", is_flag=True, help="The direction that reads from the end.")
@click.option("--output", type=click.Path(path_type=Path), help="Picture to write (.png).")
@click.option("--json", "as_json", is_flag=True, help="Print means over time and units of each gate.")
def gates(file: Path, model: str, layer: int, backward: bool, output: Path | None, as_json: bool) -> None:
    """Gates and cells of an acoustic model's LSTM while it hears FILE, under the waveform.

    \b
    Example: asr inspect gates talk.wav --layer 2 --output gates.png
    """
    import torch

    from asr.acoustic.checkpoint import load_checkpoint
    from asr.audio.read import read_audio
    from asr.nn.activity import gate_activity
    from asr.recognizer.shipped import model_folder

    network = load_checkpoint(model_folder(model)).model.eval()
    samples = read_audio(file)
    with torch.inference_mode():
        features, lengths = network.features(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        if not int(lengths[0]):
            raise AsrError(f"{file} is shorter than one frame; there is nothing to show.")
        heard, _ = network.front(features, lengths)
        try:
            found = gate_activity(network.recurrent, heard[0], layer - 1, backward)
        except ValueError as error:
            raise ConfigError(f"{model}: {error}.") from None
    means = {name: round(float(value.mean()), 4) for name, value in found.items()}
    if output is not None:
        title = f"{file.name}, layer {layer}, {'backward' if backward else 'forward'}"
        _draw_gates(output, samples, found, network.config.seconds_per_frame, title)
        note(f"{output}: picture")
    if as_json:
        click.echo(json.dumps({"frames": len(heard[0]), "means": means}))
    else:
        for name, value in means.items():
            click.echo(f"{name:<10} mean {value:7.4f}")


@command.command("gradients")
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
    from asr.nn.activity import gradient_reach

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


@command.command("mackey-glass")
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
    from asr.nn.echo import mackey_glass_error

    error = mackey_glass_error(units, ahead=ahead, trials=trials, seed=seed)
    click.echo(f"NRMSE {ahead} steps ahead: {error:.2e} ({units} units, {trials} trials)")


def _draw_gates(path: Path, samples: Any, found: dict[str, Any], frame_seconds: float, title: str) -> None:
    import numpy as np

    figure = _figure((11, 9))
    axes = figure.subplots(1 + len(SHOWN), 1, sharex=True)
    axes[0].plot(np.arange(len(samples)) / 16000, samples, linewidth=0.4)
    axes[0].set_title(title)
    for plot, name in zip(axes[1:], SHOWN, strict=True):
        values = found[name].numpy()
        busiest = np.sort(np.argsort(-values.std(axis=0))[:MOST_UNITS])
        extent = (0, len(values) * frame_seconds, 0, len(busiest))
        image = plot.imshow(values[:, busiest].T, aspect="auto", origin="lower", extent=extent, interpolation="nearest")
        plot.set_ylabel(name)
        figure.colorbar(image, ax=plot)
    axes[-1].set_xlabel("seconds")
    _save(figure, path)


def _draw_reach(path: Path, found: dict[str, list[float]]) -> None:
    figure = _figure((8, 5))
    axes = figure.add_subplot()
    for name, norms in found.items():
        axes.semilogy(range(len(norms)), norms, label=name)
    axes.set_xlabel("steps back")
    axes.set_ylabel("gradient norm relative to the last step")
    axes.legend()
    _save(figure, path)


def _figure(size: tuple[float, float]) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("pictures need matplotlib: pip install 'lstm-asr[plot]'.") from None
    return Figure(figsize=size, layout="constrained")


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
