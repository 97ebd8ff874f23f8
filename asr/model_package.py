"""A model folder without its weights: tokens, lexicon, settings, language models. Opened without torch.

A folder holds `config.json`, `tokens.txt`, `model.safetensors`, and where used `model.onnx` (the network without its
weights), `lexicon.txt` (or `.gz`), the n-gram language model that `config.json` names, an LSTM language model in
`lstm/`, a tagger of marks and capitals in `marks/`, a detector of speech in `vad/`, and `README.md`, the model card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.atomic_file import write_atomically, write_text
from asr.audio.feature_config import FeatureConfig
from asr.config import from_dict
from asr.errors import CheckpointError, ConfigError, TextError
from asr.model_folder import read_config, write_config
from asr.shipped import DETECTOR_NAME, NEURAL_LM_FOLDER, TAGGER_NAME
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

TYPE = "acoustic"
LEXICONS = ("lexicon.txt", "lexicon.txt.gz")  # a folder has at most one of them
WEIGHTS = "model.safetensors"
GRAPH = "model.onnx"  # the network without its weights, for ONNX Runtime
MOST_SUBSAMPLING = 64
CARD = "README.md"
LETTER_TO_SOUND = "letter_to_sound.xz"  # how words are pronounced that the lexicon lacks


@dataclass(frozen=True)
class ModelPackage:
    """What a model folder says about its model. Open one with `ModelPackage.open`."""

    folder: Path
    kind: str  # of the acoustic model: a recurrent kind, feedforward, gaussian
    network: Mapping[str, Any]  # the settings of the acoustic model, for the module that builds it
    tokens: Tokens
    lexicon: Lexicon | None  # read when its spellings are first asked for
    features: FeatureConfig
    subsampling: int  # feature frames per output frame
    search: Mapping[str, float]  # settings of the search that were tuned for this model
    lm_path: Path | None  # the n-gram language model in the folder
    neural_lm_path: Path | None  # the folder of the LSTM language model in the folder

    @classmethod
    def open(cls, folder: str | Path) -> ModelPackage:
        """The package in a model folder.

        Raises CheckpointError if a file is missing, cut short, of a newer format, or does not belong to the others.
        """
        folder = Path(folder)
        values = read_config(folder, TYPE)
        try:
            tokens = Tokens.read(folder / "tokens.txt")
            network = dict(values["model"])
            kind, subsampling = str(network["kind"]), network.get("subsampling", 1)
            if type(subsampling) is not int or not 1 <= subsampling <= MOST_SUBSAMPLING:
                raise ConfigError(f"model.subsampling must lie in 1..{MOST_SUBSAMPLING}, not {subsampling!r}.")
            features = from_dict(FeatureConfig, network["features"])
            search, lm = _search_settings(values.get("decoding", {}))
        except KeyError as error:
            raise CheckpointError(f"{folder} cannot be loaded: config.json lacks {error}.") from None
        except (TextError, ConfigError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"{folder} cannot be loaded: {error}") from None
        if tokens.digest != values.get("tokens_sha256"):
            raise CheckpointError(
                f"{folder / 'tokens.txt'} is not the one the model was trained with; restore the original."
            )
        folder = folder.absolute()  # the program may go to another folder before the rest is read
        lexicon = next((Lexicon.later(folder / name) for name in LEXICONS if (folder / name).exists()), None)
        neural = folder / NEURAL_LM_FOLDER
        return cls(
            folder, kind, network, tokens, lexicon, features, subsampling, search,
            lm_path=folder / lm if lm else None,
            neural_lm_path=neural if neural.is_dir() else None,
        )  # fmt: skip

    @property
    def sample_rate(self) -> int:
        """Samples per second that the acoustic model reads, in Hz."""
        return self.features.sample_rate

    @property
    def seconds_per_frame(self) -> float:
        """Duration of one output frame in seconds."""
        return self.features.frame_shift_ms * self.subsampling / 1000

    @property
    def tagger_path(self) -> Path | None:
        """The folder of the tagger of marks and capitals in the folder, if there is one."""
        path = self.folder / TAGGER_NAME
        return path if path.is_dir() else None

    @property
    def detector_path(self) -> Path | None:
        """The folder of the detector of speech in the folder, if there is one."""
        path = self.folder / DETECTOR_NAME
        return path if path.is_dir() else None

    @property
    def graph_path(self) -> Path | None:
        """The network as an ONNX graph, which takes its weights from `model.safetensors`, if the folder has one."""
        path = self.folder / GRAPH
        return path if path.exists() else None

    @property
    def letter_to_sound_path(self) -> Path | None:
        """The letter-to-sound model of the lexicon's language, if the folder has one."""
        path = self.folder / LETTER_TO_SOUND
        return path if path.exists() else None

    @property
    def card(self) -> str:
        """The text of the model card, empty if the folder has none."""
        path = self.folder / CARD
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _search_settings(decoding: Mapping[str, Any]) -> tuple[dict[str, float], str]:
    """Tuned settings as numbers, and the file name of the language model or an empty string."""
    lm = decoding.get("lm") or ""
    if not isinstance(lm, str):
        raise ConfigError(f"the name of its language model must be text, not {lm!r}.")
    if lm and Path(lm).name != lm:
        raise ConfigError(f"its language model must lie beside config.json, not at '{lm}'.")
    settings = {name: value for name, value in decoding.items() if name != "lm"}
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"the setting '{name}' of the search must be a number, not {value!r}.")
    return settings, lm


def write_package(
    folder: Path,
    network: Mapping[str, Any],
    tokens: Tokens,
    lexicon: Lexicon | None = None,
    search: Mapping[str, float] | None = None,
    lm: str = "",
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write a model folder's files other than the weights, each atomically, config.json last.

    network: the settings of the acoustic model, with `kind` and `features`; lm: the file name of its language model;
    training: what is known of it, for those who read config.json.
    """
    write_atomically(folder / "tokens.txt", tokens.to_text().encode())
    if lexicon is not None:
        _write_lexicon(folder, lexicon)
    decoding = dict(search or {}) | ({"lm": lm} if lm else {})
    values = {"model": dict(network), "tokens_sha256": tokens.digest, "decoding": decoding}
    write_config(folder, TYPE, values | ({"training": dict(training)} if training else {}))


def _write_lexicon(folder: Path, lexicon: Lexicon) -> None:
    """Written as gzip if the lexicon's own file was; a file under the other name is removed."""
    packed = lexicon.source is not None and lexicon.source.suffix == ".gz"
    name, other = LEXICONS[::-1] if packed else LEXICONS
    write_text(folder / name, lexicon.to_text())
    (folder / other).unlink(missing_ok=True)
