"""The exceptions that users may see.

Each message is one sentence: what is wrong, with which file or value, and the remedy. A message that advises a
parameter writes its Python name in backquotes; the command line replaces the name with the option of that name.
"""

from __future__ import annotations


class AsrError(Exception):
    """Base class: a request that could not be carried out. The command line prints the message and exits with 1."""


class AudioError(AsrError):
    """An audio file is missing, empty, not audio, truncated, or holds values that are not numbers."""


class ManifestError(AsrError):
    """A manifest, or a line of it, cannot be used."""


class TextError(AsrError):
    """A text, token file, lexicon or language model does not fit its use."""


class CheckpointError(AsrError):
    """A checkpoint folder is missing, incomplete, or made by another version."""


class DataError(AsrError):
    """A data table is missing, damaged, or has unexpected content."""


class MissingPackageError(AsrError):
    """An optional package that the request needs is not installed."""


class ConfigError(AsrError):
    """A parameter or configuration key is unknown or has an impossible value. The command line exits with 2."""


def explain(error: Exception) -> str:
    """The message of an error; of one that was not foreseen, its class too."""
    if isinstance(error, AsrError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}." if error.filename else f"{error.strerror}."
    reason = " ".join(str(error).split())
    return f"{type(error).__name__}: {reason}." if reason else f"{type(error).__name__}."
