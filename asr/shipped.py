"""The models and configurations that lie inside the package, by name."""

from __future__ import annotations

from pathlib import Path

from asr.errors import CheckpointError, ConfigError

DEFAULT = "english"
NEURAL_LM_FOLDER = "lstm"  # the LSTM language model within a model folder
TAGGER_NAME = "marks"  # the tagger of punctuation marks and capitals within a model folder
DETECTOR_NAME = "vad"  # the detector of speech within a model folder
_FOLDER = Path(__file__).parent / "models"
_CONFIGURATIONS = Path(__file__).parent / "configurations"


def available_models() -> list[str]:
    """The names of the models that come with the package, sorted."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/config.json"))


def model_folder(model: str | Path | None = None) -> Path:
    """The folder of a model: a path, a shipped model's name, or the default model. Raises CheckpointError."""
    if model is None:
        model = DEFAULT
    if Path(model).is_dir() and ((Path(model) / "config.json").exists() or str(model) not in available_models()):
        return Path(model)
    if str(model) in available_models():
        return _FOLDER / str(model)
    raise CheckpointError(
        f"there is no model folder '{model}'; give a folder, or one of the shipped: {', '.join(available_models())}."
    )


def available_configurations() -> list[str]:
    """The names of the training configurations that come with the package, sorted."""
    return sorted(path.stem for path in _CONFIGURATIONS.glob("*.toml"))


def configuration_path(config: str | Path) -> Path:
    """The file of a training configuration: a path, or a shipped one's name. Raises ConfigError."""
    if Path(config).exists() or Path(config).suffix:
        return Path(config)
    if str(config) in available_configurations():
        return _CONFIGURATIONS / f"{config}.toml"
    known = ", ".join(available_configurations())
    raise ConfigError(f"there is no configuration '{config}'; give a TOML file, or one of the shipped: {known}.")


def neural_lm_path(name: str | Path | None) -> Path | str | None:
    """The folder of an LSTM language model that is named by its path or as "shipped", the default model's.

    None, "auto" and "none" are returned as they are. Raises CheckpointError where there is no such model.
    """
    if name is None or str(name) in ("auto", "none"):
        return name
    path = _FOLDER / DEFAULT / NEURAL_LM_FOLDER if str(name) == "shipped" else Path(name)
    if not path.exists():
        raise CheckpointError(f"there is no LSTM language model '{name}'; give its folder, 'shipped' or 'none'.")
    return path


def tagger_folder(name: str | Path = TAGGER_NAME) -> Path:
    """The folder of a tagger of marks and capitals: a path, or by its name that of the default model.

    Raises CheckpointError where there is none.
    """
    return _part(name, TAGGER_NAME, "tagger")


def detector_folder(name: str | Path = DETECTOR_NAME) -> Path:
    """The folder of a detector of speech: a path, or by its name that of the default model.

    Raises CheckpointError where there is none.
    """
    return _part(name, DETECTOR_NAME, "detector of speech")


def _part(name: str | Path, own: str, what: str) -> Path:
    path = _FOLDER / DEFAULT / own if str(name) == own else Path(name)
    if not path.is_dir():
        raise CheckpointError(f"there is no {what} '{name}'; give its folder, or '{own}' for the shipped one.")
    return path
