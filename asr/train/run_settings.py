"""The settings of a training run, kept beside its state, so that it goes on with those that it was begun with."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr.atomic_file import write_text
from asr.config import lasting_settings, to_dict
from asr.errors import CheckpointError
from asr.json_text import parse_json
from asr.train.config import TrainConfig

MOST_SHOWN = 100  # characters of a setting in a message


class RunSettings:
    """The configuration of a run, in a file."""

    def __init__(self, path: Path, config: TrainConfig, whole: Any = None) -> None:
        """whole: the configuration of the run, a dataclass with `config` as its `train`; None: `config` alone."""
        self._path = path
        self._settings = {"train": to_dict(config)} if whole is None else to_dict(whole)
        self._lasting = lasting_settings(config, "train.") if whole is None else lasting_settings(whole)

    def write(self) -> None:
        """Write the file."""
        write_text(self._path, json.dumps(self._settings, indent=2) + "\n")

    def check(self, output: Path) -> None:
        """Raise CheckpointError if the run in `output` was begun with others: it would end in the weights of neither.

        What the file does not say, as that of an older version may not, is taken for the same.
        """
        saved = self._saved()
        for key, value in self._lasting.items():
            before = _at(saved, key, value)
            if before != value:
                raise CheckpointError(
                    f"{output} was trained with {key} = {_shown(before)}, not {_shown(value)}; use the same "
                    f"configuration to resume{self._if_moved(value)}, or choose another `output`."
                )

    def _saved(self) -> object:
        try:
            return parse_json(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self._path} is damaged ({error}); remove it to resume unchecked.") from None

    def _if_moved(self, value: object) -> str:
        """What else helps where a setting names a file or a folder."""
        if not (isinstance(value, str) and os.path.exists(value)):
            return ""
        return f" (if it has only moved, write its new place into {self._path})"


def _at(settings: object, key: str, default: object) -> object:
    """The setting of a whole key, `train.seed`, in the sections of a configuration."""
    for part in key.split("."):
        if not isinstance(settings, Mapping) or part not in settings:
            return default
        settings = settings[part]
    return settings


def _shown(value: object) -> str:
    """A setting as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
