"""`asr inspect`: gates and attributions of recurrent networks, as figures and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from asr.cli.console import note
from asr.cli.figures import PicturePath, new_figure, save_figure
from asr.cli.inspect.memory import gradients, mackey_glass, memory
from asr.cli.shared_options import json_option, quiet_option
from asr.errors import AsrError, ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from asr.acoustic.network import AcousticModel
    from asr.analysis.acoustic_attribution import Attribution
    from asr.audio.read import Samples
    from asr.nn import Recurrent

DRAWN_GATES = ("input", "forget", "output", "cell")
MOST_UNITS = 64  # in a picture: those that vary most
MOST_SECONDS = 60.0  # of audio for attribution


@click.group()
def command() -> None:
    """Look into recurrent networks: gates, attributions, gradients, memory.

    \b
    Example: asr inspect gates talk.wav --layer 1 --output gates.png
    """


class StackInput(NamedTuple):
    """A recurrent stack with its input, and what a picture shows beside the gates."""

    stack: Recurrent
    layer: int  # of the stack, from 0
    inputs: Tensor  # (time, input size)
    source: str
    words: list[str] | None = None  # a label for each step
    samples: Samples | None = None
    frame_seconds: float = 0.0


@command.command("gates", short_help="Show the gates of an LSTM over time.")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--text", help="Words instead of a file; MODEL is then a text classifier or a language model.")
@click.option("--model", default="english", show_default=True, help="Model folder, or a shipped model's name.")
@click.option("--layer", default=1, show_default=True, type=click.IntRange(1), help="Layer, counted from 1.")
@click.option("--backward", is_flag=True, help="Show the backward direction.")
@click.option("--output", type=PicturePath(), help="Picture to write (.png).")
@json_option("Print the mean of each gate as JSON.")
@quiet_option
def gates(
    file: Path | None, text: str | None, model: str, layer: int, backward: bool, output: Path | None, as_json: bool
) -> None:
    """Show the gates and cells of an LSTM over time, for a recording or a text.

    The picture puts them under the waveform of FILE or over the words of --text. Without --output, only the mean of
    each gate is printed.

    \b
    Examples: asr inspect gates talk.wav --layer 2 --output gates.png
              asr inspect gates --text "not a good film" --model sentiment --output gates.png
    """
    from asr.analysis.gates import gate_activity

    if (file is None) == (text is None):
        raise click.UsageError("give either FILE or --text.")
    if text is not None and click.get_current_context().get_parameter_source("model") == ParameterSource.DEFAULT:
        raise click.UsageError("--text needs --model, the folder of a text classifier or a language model.")
    given = _text_input(str(text), Path(model), layer - 1) if file is None else _audio_input(file, model, layer - 1)
    try:
        activity = gate_activity(given.stack, given.inputs, given.layer, backward)
    except ValueError as error:
        raise ConfigError(f"{model}: {error}.") from None
    means = {name: round(float(value.mean()), 4) for name, value in activity.items()}
    if output is not None:
        title = f"{given.source}, layer {layer}, {'backward' if backward else 'forward'}"
        _draw_gates(output, given, activity, title)
        note(f"{output}: picture")
    if as_json:
        click.echo(json.dumps({"frames": len(given.inputs), "means": means}))
    else:
        for name, value in means.items():
            click.echo(f"{name:<10} mean {value:7.4f}")


def _audio_input(file: Path, model: str, layer: int) -> StackInput:
    """The recurrent stack of an acoustic model and its input for a file; of a model in blocks, one layer's."""
    import torch

    network, features, samples = _features(file, model)
    with torch.inference_mode():
        hidden, lengths = network.front(features[None], torch.tensor([len(features)]))
        stack, layer, inputs = network.encoder.recurrent_layer(layer, hidden, lengths)
    return StackInput(stack, layer, inputs[0], file.name, None, samples, network.config.seconds_per_frame)


def _features(file: Path, model: str) -> tuple[AcousticModel, Tensor, Samples]:
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


def _text_input(text: str, folder: Path, layer: int) -> StackInput:
    """The recurrent stack of a text classifier or a language model and its input for a text."""
    import torch

    from asr.lm.lstm.running_scores import RunningScorer
    from asr.model_folder import read_config
    from asr.nlp.folder import TYPE, load_classifier

    network: Any
    if read_config(folder).get("type") == TYPE:
        classifier = load_classifier(folder)
        words, ids, network = classifier.words(text), classifier.encode(text), classifier.model
    else:
        scorer = RunningScorer(folder)
        ids = [index for index in scorer.ids([text]).tolist() if index]  # without the ends of sentences
        words, network = [scorer.words[index] for index in ids], scorer.model
    if not words:
        raise ConfigError("--text has no words.")
    with torch.inference_mode():
        inputs = network.embedding(torch.tensor(ids))
    return StackInput(network.recurrent, layer, inputs, folder.name, words)


@command.command("attribution", short_help="Attribute a token to the audio features.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--at", required=True, type=click.FloatRange(min=0), help="Time in the file, in seconds.")
@click.option("--model", default="english", show_default=True, help="Model folder, or a shipped model's name.")
@click.option("--output", type=PicturePath(), help="Picture to write (.png).")
@json_option("Print JSON, with the contribution of each frame.")
@quiet_option
def attribution(file: Path, at: float, model: str, output: Path | None, as_json: bool) -> None:
    """Attribute a recognised token to the features of FILE, by integrated gradients.

    The token is the likeliest one other than blank near the given time. The baseline is the mean feature vector.

    \b
    Example: asr inspect attribution talk.wav --at 1.5 --output why.png
    """
    from asr.analysis.acoustic_attribution import attribute

    network, features, samples = _features(file, model)
    if len(samples) > MOST_SECONDS * network.config.features.sample_rate:
        raise AsrError(f"{file} is longer than {MOST_SECONDS:g} s; cut out the part around the given time.")
    if at * network.config.features.sample_rate > len(samples):
        raise AsrError(f"{file} ends before second {at:g}; choose an earlier time.")
    result = attribute(network, features, at)
    name = _token_names(model)[result.token]
    if output is not None:
        _draw_attribution(output, features, result, f"{file.name}: '{name}' at {result.second:.2f} s")
        note(f"{output}: picture")
    values = {
        "token": name, "second": round(result.second, 3), "log_prob": round(result.log_prob, 4),
        "gain": round(float(result.values.sum()), 4), "most": round(result.strongest_second, 3),
        "centre": round(result.median_second, 3),
    }  # fmt: skip
    if as_json:
        click.echo(json.dumps(values | {"frames": [round(float(v), 5) for v in result.values.sum(dim=1)]}))
    else:
        click.echo(
            f"'{name}' at {result.second:.2f} s: ln P {result.log_prob:.3f}, {values['gain']:+.3f} relative to mean "
            f"features; the frame at {result.strongest_second:.2f} s contributes most, half of all contributions lie "
            f"before {result.median_second:.2f} s"
        )


def _token_names(model: str) -> tuple[str, ...]:
    from asr.shipped import model_folder
    from asr.text.tokens import Tokens

    return Tokens.read(model_folder(model) / "tokens.txt").names


def _draw_gates(path: Path, given: StackInput, activity: dict[str, Tensor], title: str) -> None:
    import numpy as np

    figure = new_figure(11, 9)
    waveforms = 0 if given.samples is None else 1
    axes = figure.subplots(len(DRAWN_GATES) + waveforms, 1, sharex=True, squeeze=False)[:, 0]
    axes[0].set_title(title)
    if given.samples is not None:
        axes[0].plot(np.arange(len(given.samples)) / 16000, given.samples, linewidth=0.4)
        axes[-1].set_xlabel("seconds")
    for plot, name in zip(axes[waveforms:], DRAWN_GATES, strict=True):
        values = activity[name].numpy()
        busiest = np.sort(np.argsort(-values.std(axis=0))[:MOST_UNITS])
        extent = (0, len(values) * (given.frame_seconds if waveforms else 1), 0, len(busiest))
        image = plot.imshow(values[:, busiest].T, aspect="auto", origin="lower", extent=extent, interpolation="nearest")
        plot.set_ylabel(name)
        figure.colorbar(image, ax=plot)
    if given.words is not None:
        axes[-1].set_xticks(np.arange(len(given.words)) + 0.5, given.words, rotation=60)
    save_figure(figure, path)


def _draw_attribution(path: Path, features: Tensor, result: Attribution, title: str) -> None:
    figure = new_figure(11, 6)
    axes = figure.subplots(2, 1, sharex=True)
    extent = (0, len(features) * result.frame_seconds, 0, features.shape[1])
    most = float(result.values.abs().max())
    colours: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
    for plot, image, options in ((axes[0], features, {}), (axes[1], result.values, colours)):
        shown = plot.imshow(image.T.numpy(), aspect="auto", origin="lower", extent=extent, **options)
        figure.colorbar(shown, ax=plot)
        plot.set_ylabel("mel bin")
    axes[0].set_title(title)
    axes[1].set_xlabel("seconds")
    save_figure(figure, path)


for _sub in (gradients, mackey_glass, memory):
    command.add_command(_sub)
