"""The exceptions a user may see. Each message is one sentence: what is wrong, with what, and the remedy."""

from __future__ import annotations


class AsrError(Exception):
    """Something asked for could not be done; the command line prints the message and exits with 1."""


class AudioError(AsrError):
    """An audio file is missing, empty, not audio, cut short, or holds values that are not numbers."""


class ManifestError(AsrError):
    """A manifest, or a line of it, cannot be used."""


class TextError(AsrError):
    """A text, token file, lexicon or language model does not fit what it is used with."""


class CheckpointError(AsrError):
    """A checkpoint folder is missing, cut short, or made by another version."""


class ConfigError(AsrError):
    """A configuration names an unknown key or an impossible value (exit code 2: wrong usage)."""


class DataError(AsrError):
    """A table of data is missing, damaged, or holds what it should not."""
