"""The models that lie inside the package, by name."""

from __future__ import annotations

from pathlib import Path

from asr.errors import CheckpointError

DEFAULT = "english"
NEURAL_LM_FOLDER = "lstm"  # the LSTM language model within a model folder
_FOLDER = Path(__file__).parent / "models"


def names() -> list[str]:
    """Names of the shipped models, sorted."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/config.json"))


def model_folder(model: str | Path | None = None) -> Path:
    """The folder of a model: a path, a shipped model's name, or the default model. Raises CheckpointError."""
    if model is None:
        model = DEFAULT
    if Path(model).is_dir() and ((Path(model) / "config.json").exists() or str(model) not in names()):
        return Path(model)
    if str(model) in names():
        return _FOLDER / str(model)
    raise CheckpointError(
        f"there is no model folder '{model}'; give a folder, or one of the shipped: {', '.join(names())}."
    )


def neural_lm_folder(name: str | Path) -> Path:
    """The folder of an LSTM language model: a path, or 'shipped' for the default model's. Raises CheckpointError."""
    folder = _FOLDER / DEFAULT / NEURAL_LM_FOLDER if str(name) == "shipped" else Path(name)
    if not folder.is_dir():
        raise CheckpointError(f"there is no LSTM language model '{name}'; give its folder, 'shipped' or 'none'.")
    return folder
