"""`asr inspect`: what recurrent networks do inside, drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import click

from asr.cli.console import note
from asr.cli.figures import new_figure, save_figure
from asr.cli.inspect.memory import gradients, mackey_glass, memory
from asr.errors import AsrError, ConfigError

SHOWN = ("input", "forget", "output", "cell")
MOST_UNITS = 64  # drawn, the most active ones
MOST_SECONDS = 60.0  # of audio that attribution takes


@click.group()
def command() -> None:
    """Look into recurrent networks.

    \b
    Example: asr inspect gates talk.wav --layer 1 --output gates.png
    """


class Seen(NamedTuple):
    """What a stack of LSTMs is given, and what is drawn beside its gates."""

    stack: Any  # asr.nn.Recurrent
    layer: int  # of the stack, from 0
    inputs: Any  # (time, input size)
    source: str
    words: list[str] | None = None  # a name for each step
    samples: Any = None
    frame_seconds: float = 0.0


@command.command("gates")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--text", help="Words to read instead of a file: MODEL is then a classifier or a language model.")
@click.option("--model", default="english", show_default=True, help="Model folder, or a shipped model's name.")
@click.option("--layer", default=1, show_default=True, type=click.IntRange(1), help="From 1.")
@click.option("--backward", is_flag=True, help="The direction that reads from the end.")
@click.option("--output", type=click.Path(path_type=Path), help="Picture to write (.png).")
@click.option("--json", "as_json", is_flag=True, help="Print means over time and units of each gate.")
def gates(
    file: Path | None, text: str | None, model: str, layer: int, backward: bool, output: Path | None, as_json: bool
) -> None:
    """Gates and cells of an LSTM while it hears FILE, under the waveform, or reads a text, under its words.

    \b
    Examples: asr inspect gates talk.wav --layer 2 --output gates.png
              asr inspect gates --text "not a good film" --model sentiment --output gates.png
    """
    from asr.analysis.gates import gate_activity

    if (file is None) == (text is None):
        raise click.UsageError("name a FILE to hear, or a --text to read.")
    seen = _read(str(text), Path(model), layer - 1) if file is None else _hear(file, model, layer - 1)
    try:
        found = gate_activity(seen.stack, seen.inputs, seen.layer, backward)
    except ValueError as error:
        raise ConfigError(f"{model}: {error}.") from None
    means = {name: round(float(value.mean()), 4) for name, value in found.items()}
    if output is not None:
        title = f"{seen.source}, layer {layer}, {'backward' if backward else 'forward'}"
        _draw_gates(output, seen, found, title)
        note(f"{output}: picture")
    if as_json:
        click.echo(json.dumps({"frames": len(seen.inputs), "means": means}))
    else:
        for name, value in means.items():
            click.echo(f"{name:<10} mean {value:7.4f}")


def _hear(file: Path, model: str, layer: int) -> Seen:
    """What an acoustic model's recurrent stack is given of a file; of one in blocks, what the layer is given."""
    import torch

    network, features, samples = _features(file, model)
    with torch.inference_mode():
        hidden, lengths = network.front(features[None], torch.tensor([len(features)]))
        stack, layer, inputs = network.encoder.recurrent_layer(layer, hidden, lengths)
    return Seen(stack, layer, inputs[0], file.name, None, samples, network.config.seconds_per_frame)


def _features(file: Path, model: str) -> tuple[Any, Any, Any]:
    """An acoustic model, and a file's features (frames, dim) and samples."""
    import torch

    from asr.acoustic.checkpoint import load_network
    from asr.audio.read import read_audio
    from asr.shipped import model_folder

    network = load_network(model_folder(model)).model
    samples = read_audio(file)
    with torch.inference_mode():
        features, lengths = network.features(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    if not int(lengths[0]):
        raise AsrError(f"{file} is shorter than one frame; there is nothing to show.")
    return network, features[0].clone(), samples


def _read(text: str, folder: Path, layer: int) -> Seen:
    """What a text classifier's or a language model's stack is given of a text."""
    import torch

    from asr.lm.lstm.running_scores import RunningScorer
    from asr.model_folder import read_config
    from asr.nlp.folder import TYPE, load_classifier

    network: Any
    if read_config(folder).get("type") == TYPE:
        found = load_classifier(folder)
        words, ids, network = found.words(text), found.encode(text), found.model
    else:
        scorer = RunningScorer(folder)
        ids = [index for index in scorer.ids([text]).tolist() if index]  # without the text's ends
        words, network = [scorer.words[index] for index in ids], scorer.model
    if not words:
        raise ConfigError("--text holds no word.")
    with torch.inference_mode():
        inputs = network.embedding(torch.tensor(ids))
    return Seen(network.recurrent, layer, inputs, folder.name, words)


@command.command("attribution")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--at", required=True, type=click.FloatRange(min=0), help="Second of the file that is asked about.")
@click.option("--model", default="english", show_default=True, help="Model folder, or a shipped model's name.")
@click.option("--output", type=click.Path(path_type=Path), help="Picture to write (.png).")
@click.option("--json", "as_json", is_flag=True)
def attribution(file: Path, at: float, model: str, output: Path | None, as_json: bool) -> None:
    """What of FILE made an acoustic model hear the token it hears at a second: integrated gradients over its features.

    The token is the likeliest other than blank near that second; compared is with features of silence at their means.

    \b
    Example: asr inspect attribution talk.wav --at 1.5 --output why.png
    """
    from asr.analysis.acoustic_attribution import attribute

    network, features, samples = _features(file, model)
    if len(samples) > MOST_SECONDS * network.config.features.sample_rate:
        raise AsrError(f"{file} is longer than {MOST_SECONDS:g} s; cut out the part that is asked about.")
    if at * network.config.features.sample_rate > len(samples):
        raise AsrError(f"{file} ends before second {at:g}; choose an earlier one.")
    found = attribute(network, features, at)
    name = _token_names(model)[found.token]
    shift = network.config.features.frame_shift_ms / 1000
    shares = found.values.abs().sum(dim=1)
    most = int(shares.argmax()) * shift
    weight = shares.cumsum(dim=0)
    centre = int((weight < weight[-1] / 2).sum()) * shift  # the median
    if output is not None:
        _draw_attribution(output, features, found.values, shift, f"{file.name}: '{name}' at {found.second:.2f} s")
        note(f"{output}: picture")
    values = {
        "token": name, "second": round(found.second, 3), "log_prob": round(found.log_prob, 4),
        "gain": round(float(found.values.sum()), 4), "most": round(most, 3), "centre": round(centre, 3),
    }  # fmt: skip
    if as_json:
        click.echo(json.dumps(values | {"frames": [round(float(v), 5) for v in found.values.sum(dim=1)]}))
    else:
        click.echo(
            f"'{name}' at {found.second:.2f} s: ln P {found.log_prob:.3f}, {values['gain']:+.3f} over mean features; "
            f"the frame at {most:.2f} s decided most, half of all lies before {centre:.2f} s"
        )


def _token_names(model: str) -> tuple[str, ...]:
    from asr.shipped import model_folder
    from asr.text.tokens import Tokens

    return Tokens.read(model_folder(model) / "tokens.txt").names


def _draw_gates(path: Path, seen: Seen, found: dict[str, Any], title: str) -> None:
    import numpy as np

    figure = new_figure(11, 9)
    heard = seen.samples is not None
    axes = figure.subplots(len(SHOWN) + heard, 1, sharex=True, squeeze=False)[:, 0]
    axes[0].set_title(title)
    if heard:
        axes[0].plot(np.arange(len(seen.samples)) / 16000, seen.samples, linewidth=0.4)
        axes[-1].set_xlabel("seconds")
    for plot, name in zip(axes[heard:], SHOWN, strict=True):
        values = found[name].numpy()
        busiest = np.sort(np.argsort(-values.std(axis=0))[:MOST_UNITS])
        extent = (0, len(values) * (seen.frame_seconds if heard else 1), 0, len(busiest))
        image = plot.imshow(values[:, busiest].T, aspect="auto", origin="lower", extent=extent, interpolation="nearest")
        plot.set_ylabel(name)
        figure.colorbar(image, ax=plot)
    if seen.words is not None:
        axes[-1].set_xticks(np.arange(len(seen.words)) + 0.5, seen.words, rotation=60)
    save_figure(figure, path)


def _draw_attribution(path: Path, features: Any, values: Any, shift: float, title: str) -> None:
    figure = new_figure(11, 6)
    axes = figure.subplots(2, 1, sharex=True)
    extent = (0, len(features) * shift, 0, features.shape[1])
    most = float(values.abs().max())
    for plot, image, options in (
        (axes[0], features, {}),
        (axes[1], values, {"cmap": "RdBu_r", "vmin": -most, "vmax": most}),
    ):
        shown = plot.imshow(image.T.numpy(), aspect="auto", origin="lower", extent=extent, **options)
        figure.colorbar(shown, ax=plot)
        plot.set_ylabel("mel bin")
    axes[0].set_title(title)
    axes[1].set_xlabel("seconds")
    save_figure(figure, path)


for _sub in (gradients, mackey_glass, memory):
    command.add_command(_sub)
