"""Acoustic models as folders: model.safetensors, config.json, tokens.txt, and where used lexicon.txt (or .gz)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from asr.acoustic.config import AcousticConfig
from asr.acoustic.network import AcousticModel
from asr.atomic_file import write_atomically, write_text
from asr.config import from_dict, to_dict
from asr.errors import CheckpointError, ConfigError, TextError
from asr.model_folder import from_stored, read_config, to_stored, write_config
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens
from asr.train.checkpoint import read_tensors, write_tensors

TYPE = "acoustic"
LEXICONS = ("lexicon.txt", "lexicon.txt.gz")  # a folder has one of them at most
BITS = {"float32": 32, "float16": 16, "int8": 8}  # of weights, as `to_stored` has them


@dataclass
class AcousticCheckpoint:
    """A model with all that is needed to use it."""

    model: AcousticModel
    tokens: Tokens
    lexicon: Lexicon | None
    decoding: dict[str, Any]  # settings of the search that were tuned for this model; may name `lm`, a file beside it
    folder: Path | None = None

    @property
    def lm_path(self) -> Path | None:
        """The language model that lies in the model's folder, if it has one."""
        name = self.decoding.get("lm")
        return self.folder / name if self.folder is not None and name else None


def save_checkpoint(folder: str | Path, checkpoint: AcousticCheckpoint, dtype: str = "float32") -> None:
    """Write the folder's files, each atomically, the configuration last.

    dtype: one of `BITS`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: value.cpu().numpy() for name, value in checkpoint.model.state_dict().items()}
    stored = to_stored(arrays, BITS[dtype])
    write_tensors(folder / "model.safetensors", {name: torch.from_numpy(value) for name, value in stored.items()})
    write_atomically(folder / "tokens.txt", checkpoint.tokens.to_text().encode())
    if checkpoint.lexicon is not None:
        _write_lexicon(folder, checkpoint.lexicon)
    config = {
        "model": to_dict(checkpoint.model.config),
        "tokens_sha256": checkpoint.tokens.digest,
        "decoding": checkpoint.decoding,
    }
    write_config(folder, TYPE, config)


def load_checkpoint(folder: str | Path) -> AcousticCheckpoint:
    """Load a model folder, in evaluation mode, weights as float32.

    Raises CheckpointError if a file is missing, cut short, of a newer format, or does not belong to the others.
    """
    folder = Path(folder)
    values = read_config(folder, TYPE)
    try:
        tokens = Tokens.read(folder / "tokens.txt")
        config = from_dict(AcousticConfig, values["model"])
    except (TextError, ConfigError, KeyError) as error:
        raise CheckpointError(f"{folder} cannot be loaded: {error}") from None
    if tokens.digest != values.get("tokens_sha256"):
        raise CheckpointError(
            f"{folder / 'tokens.txt'} is not the one the model was trained with; restore the original."
        )
    model = AcousticModel(config, len(tokens))
    stored = {name: value.numpy() for name, value in read_tensors(folder / "model.safetensors").items()}
    try:
        model.load_state_dict({name: torch.from_numpy(value) for name, value in from_stored(stored).items()})
    except RuntimeError:
        raise CheckpointError(f"{folder}: weights and config.json do not fit together; copy the model again.") from None
    lexicon = next((Lexicon.later(folder / name) for name in LEXICONS if (folder / name).exists()), None)
    return AcousticCheckpoint(model.eval(), tokens, lexicon, dict(values.get("decoding", {})), folder)


def _write_lexicon(folder: Path, lexicon: Lexicon) -> None:
    """Packed if the lexicon was; one that lay there under the other name goes."""
    packed = lexicon.source is not None and lexicon.source.suffix == ".gz"
    name, other = LEXICONS[::-1] if packed else LEXICONS
    write_text(folder / name, lexicon.to_text())
    (folder / other).unlink(missing_ok=True)
