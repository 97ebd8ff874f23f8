"""`asr checkpoint`: describe, average, export and pack model folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from asr.cli.console import note, report
from asr.cli.shared_options import check_output, json_option, quiet_option, weights_of
from asr.errors import CheckpointError, ConfigError
from asr.json_text import parse_json
from asr.shipped import model_folder, neural_lm_path


@click.group()
def command() -> None:
    """Describe, average, export and pack model folders.

    \b
    Example: asr checkpoint pack exp/model --output model --lm lm.arpa.gz --lm-weight 0.8 --dtype float16
    """


@command.command("show", short_help="Describe a model folder.")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option("Print the content of config.json.")
@quiet_option
def show(folder: Path, as_json: bool) -> None:
    """Describe the model in FOLDER, a folder or a shipped model, after checking that its files are complete.

    \b
    Example: asr checkpoint show english
    """
    from asr.model_folder import read_config
    from asr.recognizer.description import describe

    folder = model_folder(folder)
    if as_json:
        click.echo(json.dumps(read_config(folder)))
        return
    click.echo(describe(folder), nl=False)


@command.command("average", short_help="Average the weights of models.")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--weights", metavar="W1,W2,...", help="Weights of FOLDERS in the mean.  [default: equal]")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@json_option()
@quiet_option
def average(folders: tuple[Path, ...], weights: str | None, output: Path, as_json: bool) -> None:
    """Write a model whose weights are the means of those in FOLDERS, models of the same size and tokens.

    FOLDERS are acoustic models or LSTM language models. A mean of a model and one trained on from it, on other data,
    is often better on both kinds of data than either (Wortsman et al. 2022).

    \b
    Examples: asr checkpoint average exp/run1 exp/run2 --output exp/mean
              asr checkpoint average lstm lstm-small --weights 0.35,0.65 --output exp/lm-mean
    """
    from asr.lm.lstm.folder import TYPE
    from asr.model_folder import read_config

    shares = weights_of(weights, len(folders))
    paths = [model_folder(folder) for folder in folders]
    check_output(output, *paths)
    if read_config(paths[0]).get("type") == TYPE:
        _average_language_models(paths, shares, output)
    else:
        _average_acoustic_models(paths, shares, output)
    report(f"{output}: average of {len(folders)} models", as_json, output=output, models=len(folders))


def _average_acoustic_models(folders: list[Path], shares: list[float], output: Path) -> None:
    from asr.acoustic.checkpoint import load_checkpoint, save_checkpoint
    from asr.train.averaging import average_tensors

    models = [load_checkpoint(folder) for folder in folders]
    sizes = _without_dropout(asdict(models[0].model.config))
    for folder, other in zip(folders, models, strict=True):
        same_tokens = other.package.tokens.digest == models[0].package.tokens.digest
        if not same_tokens or _without_dropout(asdict(other.model.config)) != sizes:
            raise CheckpointError(f"{folder} has other tokens or sizes than {folders[0]}; they cannot be averaged.")
    models[0].model.load_state_dict(average_tensors([other.model.state_dict() for other in models], shares))
    package = models[0].package
    save_checkpoint(output, models[0].model, package.tokens, package.lexicon, package.search)


def _without_dropout(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a network that make it what it is, without those that only its training uses."""
    return {
        name: value
        for name, value in config.items()
        if not name.endswith("dropout") and name not in ("variational", "samples", "frequent")
    }


def _average_language_models(folders: list[Path], shares: list[float], output: Path) -> None:
    from asr.lm.lstm.folder import load_lm, save_lm

    models = [load_lm(folder) for folder in folders]
    first = models[0]
    for folder, other in zip(folders, models, strict=True):
        units = [model.units and (model.units.name, model.units.model) for model in (first, other)]
        same_sizes = _without_dropout(other.config) == _without_dropout(first.config)
        if list(other.words) != list(first.words) or not same_sizes or units[0] != units[1]:
            raise CheckpointError(f"{folder} has other words or sizes than {folders[0]}; they cannot be averaged.")
    mean = {
        name: np.tensordot(shares, [other.arrays[name] for other in models], 1).astype(np.float32)
        for name in first.arrays
    }
    save_lm(output, mean, first.config, first.words, units=first.units)


@command.command("export", short_help="Write the network as an ONNX graph.")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option()
@quiet_option
def export(folder: Path, as_json: bool) -> None:
    """Write the network of the model in FOLDER as an ONNX graph, model.onnx, so that it runs without PyTorch.

    The graph reads its weights from model.safetensors. Its outputs are compared with PyTorch's.

    \b
    Example: asr checkpoint export model
    """
    from asr.backends.export import export_graph

    path = export_graph(model_folder(folder))
    size = path.stat().st_size
    report(f"{path}: {size / 1000:.0f} kB", as_json, output=path, bytes=size)


@command.command("pack", short_help="Make a small model folder for recognition.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@click.option("--lexicon", help="Lexicon to use instead of the model's, or 'none'.")
@click.option("--lm", help="N-gram model to use (.arpa or .ngrams; packed: .gz, .xz), or 'none'.")
@click.option("--neural-lm", help="LSTM language model to use, as lstm/: a folder, 'shipped', or 'none'.")
@click.option("--letter-to-sound", help="How words are pronounced that the lexicon lacks: a file, or 'none'.")
@click.option(
    "--decoding", type=click.Path(path_type=Path), help="Settings of the search as JSON, from `asr tune --output`."
)
@click.option("--lm-weight", type=float, help="Weight of the language model.")
@click.option("--word-score", type=float, help="Score added for each word.")
@click.option("--beam-size", type=click.IntRange(min=1), help="Number of hypotheses to keep.")
@click.option(
    "--beam-threshold", type=click.FloatRange(min=0), help="Drop hypotheses that are more nats below the best."
)
@click.option(
    "--neural-beam-size", type=click.IntRange(min=1), help="Beam size with an LSTM language model in the search."
)
@click.option(
    "--neural-beam-threshold",
    type=click.FloatRange(min=0),
    help="Beam threshold with an LSTM language model in the search.",
)
@click.option("--card", type=click.Path(path_type=Path), help="Model card to include as README.md.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "int8"]),
    help="Type of the stored weights.  [default: as they are stored, float32 as float16]",
)
@json_option()
@quiet_option
def pack(
    folder: Path, output: Path, lexicon: str | None, lm: str | None, neural_lm: str | None,
    letter_to_sound: str | None, decoding: Path | None, lm_weight: float | None, word_score: float | None,
    beam_size: int | None, beam_threshold: float | None, neural_beam_size: int | None,
    neural_beam_threshold: float | None, card: Path | None, dtype: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Write the model in FOLDER for recognition: small weights, lexicon, language models, settings of the search, card.

    What no option replaces is kept. Parts that do not fit each other are refused before anything is written.

    \b
    Examples:
      asr checkpoint pack exp/model --lm lm.arpa.gz --decoding tuned.json --output model
      asr checkpoint pack english --lexicon lexicon.txt --output mine
    """
    from asr.recognizer.packing import Replacements, pack_model

    given = {
        "lm_weight": lm_weight, "word_score": word_score, "beam_size": beam_size, "threshold": beam_threshold,
        "neural_beam_size": neural_beam_size, "neural_threshold": neural_beam_threshold,
    }  # fmt: skip
    search = _settings(decoding) | {key: value for key, value in given.items() if value is not None}
    neural_path = neural_lm_path(neural_lm)
    new = Replacements(
        lexicon=lexicon, lm=lm, neural_lm=neural_path, letter_to_sound=letter_to_sound, card=card, search=search,
        dtype=dtype,
    )  # fmt: skip
    pack_model(model_folder(folder), output, new, note)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file() and not path.name.startswith("."))
    report(f"{output}: {size / 1e6:.1f} MB", as_json, output=output, bytes=size)


def _settings(path: Path | None) -> dict[str, float]:
    """Settings of the search from a JSON file. Raises ConfigError."""
    from asr.decode.build import check_settings, tuned_settings_names

    if path is None:
        return {}
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON ({error}).") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold one JSON object, as `asr tune --output` writes it.")
    try:
        check_settings(values, tuned_settings_names())
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{path}: the setting '{name}' must be a number, not {value!r}.")
    return values
