"""Acoustic models as folders: the package, and the weights as a torch model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from asr.acoustic.config import AcousticConfig
from asr.acoustic.network import AcousticModel
from asr.config import from_dict, to_dict
from asr.errors import CheckpointError, ConfigError
from asr.gmm.config import GAUSSIAN, read_gaussian_config
from asr.gmm.model import GaussianModel
from asr.model_folder import BITS, from_stored, read_arrays, to_stored, write_arrays
from asr.model_package import WEIGHTS, ModelPackage, write_package
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens


@dataclass(frozen=True)
class AcousticCheckpoint:
    """A model folder and its acoustic model, a neural network or Gaussian mixtures."""

    package: ModelPackage
    model: AcousticModel | GaussianModel


@dataclass(frozen=True)
class NetworkCheckpoint(AcousticCheckpoint):
    """A model folder whose acoustic model is a neural network."""

    model: AcousticModel


def save_checkpoint(
    folder: str | Path,
    model: AcousticModel | GaussianModel,
    tokens: Tokens,
    lexicon: Lexicon | None = None,
    search: Mapping[str, float] | None = None,
    lm: str = "",
    dtype: str = "float32",
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write a model folder, each file atomically, the configuration last.

    search: tuned settings of the search; lm: file name of the language model in the folder; dtype: one of `BITS`;
    training: what is known of it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: value.cpu().numpy() for name, value in model.state_dict().items()}
    write_arrays(folder / WEIGHTS, to_stored(arrays, BITS[dtype]))
    write_package(folder, to_dict(model.config), tokens, lexicon, search, lm, training)


def load_checkpoint(folder: str | Path) -> AcousticCheckpoint:
    """The model of a folder, in evaluation mode, weights as float32.

    Raises CheckpointError if a file is missing, cut short, of a newer format, or does not belong to the others.
    """
    package = ModelPackage.open(folder)
    arrays = from_stored(read_arrays(package.folder / WEIGHTS))
    try:
        with torch.device("meta"):  # which asks for no memory: a configuration may claim any size
            claimed = _make_model(package).state_dict()
        if {name: tuple(value.shape) for name, value in claimed.items()} != {n: a.shape for n, a in arrays.items()}:
            raise RuntimeError
        model = _make_model(package)
        model.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    except ConfigError as error:
        raise CheckpointError(f"{folder} cannot be loaded: {error}") from None
    except (RuntimeError, ValueError, TypeError, ZeroDivisionError):
        raise CheckpointError(f"{folder}: weights and config.json do not fit together; copy the model again.") from None
    return AcousticCheckpoint(package, model.eval())


def _make_model(package: ModelPackage) -> AcousticModel | GaussianModel:
    """The model that a package describes, its weights not yet loaded. Raises ConfigError for an impossible one."""
    if package.kind == GAUSSIAN:
        return GaussianModel(read_gaussian_config(package.network), len(package.tokens))
    return AcousticModel(from_dict(AcousticConfig, dict(package.network)), len(package.tokens))


def load_network(folder: str | Path) -> NetworkCheckpoint:
    """The neural network of a folder, as `load_checkpoint`. Raises CheckpointError for Gaussian mixtures, too."""
    checkpoint = load_checkpoint(folder)
    if not isinstance(checkpoint.model, AcousticModel):
        raise CheckpointError(f"{folder} holds Gaussian mixtures; this needs a neural network.")
    return NetworkCheckpoint(checkpoint.package, checkpoint.model)
