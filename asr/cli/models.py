"""`asr checkpoint`: describe, average, export and pack model folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr.atomic_file import replacing, write_atomically
from asr.cli.console import note
from asr.errors import CheckpointError, ConfigError
from asr.shipped import NEURAL_LM_FOLDER, model_folder

if TYPE_CHECKING:
    from asr.acoustic.config import AcousticConfig
    from asr.gmm.config import GaussianConfig


@click.group()
def command() -> None:
    """Describe, average, export and pack model folders.

    \b
    Example: asr checkpoint pack exp/model --output model --lm lm.arpa.gz --lm-weight 0.8 --dtype float16
    """


@command.command("show", short_help="Describe a model folder.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the content of config.json.")
def show(folder: Path, as_json: bool) -> None:
    """Describe the model in FOLDER, a folder or a shipped model, after checking that its files are complete.

    \b
    Example: asr checkpoint show english
    """
    from asr.acoustic.checkpoint import load_checkpoint
    from asr.model_folder import read_config

    folder = model_folder(folder)
    checkpoint = load_checkpoint(folder)
    if as_json:
        click.echo(json.dumps(read_config(folder)))
        return
    parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    config = checkpoint.model.config
    click.echo(f"{_shape(config)}, {parameters / 1e6:.2f} M parameters")
    package = checkpoint.package
    features = package.features
    click.echo(f"{features.num_mel_bins}-bin {features.kind}, {package.seconds_per_frame * 1000:g} ms a frame")
    click.echo(f"{len(package.tokens)} tokens, {len(package.lexicon) if package.lexicon else 'no'} lexicon words")
    click.echo(f"search: {json.dumps(package.search)}")
    click.echo(f"language model: {package.lm_path.name if package.lm_path else 'none'}")
    click.echo(f"graph for ONNX Runtime: {package.graph_path.name if package.graph_path else 'none'}")


def _shape(config: AcousticConfig | GaussianConfig) -> str:
    from asr.gmm.config import GaussianConfig

    if isinstance(config, GaussianConfig):
        return f"mixtures of {config.gaussians} Gaussians"
    if config.kind == "feedforward":
        return f"{config.num_layers} x {config.hidden_size} feedforward"
    direction = "bidirectional" if config.bidirectional else "one-directional"
    return f"{config.num_layers} x {config.hidden_size} {direction} {config.kind}"


@command.command("average", short_help="Average the weights of models.")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
def average(folders: tuple[Path, ...], output: Path) -> None:
    """Write a model whose weights are the means of those in FOLDERS, models of the same size and tokens.

    \b
    Example: asr checkpoint average exp/run1 exp/run2 --output exp/mean
    """
    from asr.acoustic.checkpoint import load_checkpoint, save_checkpoint
    from asr.train.averaging import average_tensors

    models = [load_checkpoint(model_folder(folder)) for folder in folders]
    for folder, other in zip(folders, models, strict=True):
        same_tokens = other.package.tokens.digest == models[0].package.tokens.digest
        if not same_tokens or other.model.config != models[0].model.config:
            raise CheckpointError(f"{folder} has other tokens or sizes than {folders[0]}; they cannot be averaged.")
    models[0].model.load_state_dict(average_tensors([other.model.state_dict() for other in models]))
    package = models[0].package
    save_checkpoint(output, models[0].model, package.tokens, package.lexicon, package.search)
    note(f"{output}: average of {len(models)} models")


@command.command("export", short_help="Write the network as an ONNX graph.")
@click.argument("folder", type=click.Path(path_type=Path))
def export(folder: Path) -> None:
    """Write the network of the model in FOLDER as an ONNX graph, model.onnx, so that it runs without PyTorch.

    The graph reads its weights from model.safetensors. Its outputs are compared with PyTorch's.

    \b
    Example: asr checkpoint export model
    """
    from asr.backends.export import export_graph

    path = export_graph(model_folder(folder))
    note(f"{path}: {path.stat().st_size / 1000:.0f} kB")


@command.command("pack", short_help="Make a small model folder for recognition.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@click.option("--lexicon", type=click.Path(path_type=Path), help="Lexicon to use instead of the training lexicon.")
@click.option("--lm", type=click.Path(path_type=Path), help="ARPA language model to include (.arpa, .arpa.gz).")
@click.option("--neural-lm", type=click.Path(path_type=Path), help="LSTM language model to include, as lstm/.")
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
    default="float16",
    show_default=True,
    help="Type of the stored weights.",
)
def pack(
    folder: Path, output: Path, lexicon: Path | None, lm: Path | None, neural_lm: Path | None,
    decoding: Path | None, lm_weight: float | None, word_score: float | None, beam_size: int | None,
    beam_threshold: float | None, neural_beam_size: int | None, neural_beam_threshold: float | None,
    card: Path | None, dtype: str,
) -> None:  # fmt: skip
    """Write the model in FOLDER for recognition: small weights, lexicon, language models, settings of the search, card.

    \b
    Example: asr checkpoint pack exp/model --lm lm.arpa.gz --decoding tuned.json --output model
    """
    from asr.acoustic.checkpoint import load_checkpoint, save_checkpoint
    from asr.lm.lstm.folder import load_lm, save_lm
    from asr.text.lexicon import Lexicon

    checkpoint = load_checkpoint(model_folder(folder))
    package = checkpoint.package
    search = dict(package.search) | _settings(decoding)
    given = {
        "lm_weight": lm_weight, "word_score": word_score, "beam_size": beam_size, "threshold": beam_threshold,
        "neural_beam_size": neural_beam_size, "neural_threshold": neural_beam_threshold,
    }  # fmt: skip
    search |= {key: value for key, value in given.items() if value is not None}
    output.mkdir(parents=True, exist_ok=True)
    if lm is not None and lm.resolve() != (output / lm.name).resolve():
        with replacing(output / lm.name) as temporary:
            shutil.copyfile(lm, temporary)
    if neural_lm is not None:
        language_model = load_lm(neural_lm)
        arrays, words, units = language_model.arrays, language_model.words, language_model.units
        save_lm(output / NEURAL_LM_FOLDER, arrays, language_model.config, words, bits=8, units=units)
    lm_name = lm.name if lm is not None else package.lm_path.name if package.lm_path is not None else ""
    spellings = Lexicon.read(lexicon) if lexicon is not None else package.lexicon
    save_checkpoint(output, checkpoint.model, package.tokens, spellings, search, lm_name, dtype)
    _write_graph(output)
    if card is not None:
        write_atomically(output / "README.md", card.read_bytes())
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file() and not path.name.startswith("."))
    note(f"{output}: {size / 1e6:.1f} MB")


def _write_graph(folder: Path) -> None:
    """Write the graph of the network; where it has none, the model runs with torch alone."""
    from asr.backends.export import export_graph
    from asr.errors import AsrError
    from asr.model_package import GRAPH

    try:
        export_graph(folder)
    except AsrError as error:
        (folder / GRAPH).unlink(missing_ok=True)  # an earlier network's
        note(f"without {GRAPH}, the model needs torch: {error}")


def _settings(path: Path | None) -> dict[str, float]:
    """Settings of the search from a JSON file. Raises ConfigError."""
    if path is None:
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON ({error}).") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold one JSON object, as `asr tune --output` writes it.")
    return values
