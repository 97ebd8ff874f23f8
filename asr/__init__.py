"""A speech-recognition toolkit around one LSTM core.

    from asr import Recognizer
    print(Recognizer.load().transcribe("talk.wav").text)

The names below are imported when they are first used, so that `import asr` is light. The library changes nothing of the
program that uses it (thread counts, signals, logging, warnings) and downloads nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asr.audio.source import load_audio
    from asr.backends.stream import Chunks
    from asr.decode.ctc_decoder import CtcDecoder, CtcHypothesis, CtcSession
    from asr.errors import (
        AsrError,
        AudioError,
        CheckpointError,
        ConfigError,
        DataError,
        ManifestError,
        MissingPackageError,
        TextError,
    )
    from asr.recognizer.aligner import Aligner
    from asr.recognizer.recognizer import Recognizer
    from asr.recognizer.stream import PartialWords, Stream, StreamSettings, Utterance
    from asr.recognizer.transcript import Transcript, Word
    from asr.score.simple import cer, compare, wer
    from asr.score.statistics import PairedTest
    from asr.shipped import available_models

    __version__: str

_PLACES = {
    "asr.audio.source": ("load_audio",),
    "asr.backends.stream": ("Chunks",),
    "asr.decode.ctc_decoder": ("CtcDecoder", "CtcHypothesis", "CtcSession"),
    "asr.errors": (
        "AsrError", "AudioError", "CheckpointError", "ConfigError", "DataError", "ManifestError",
        "MissingPackageError", "TextError",
    ),
    "asr.recognizer.aligner": ("Aligner",),
    "asr.recognizer.recognizer": ("Recognizer",),
    "asr.recognizer.stream": ("PartialWords", "Stream", "StreamSettings", "Utterance"),
    "asr.recognizer.transcript": ("Transcript", "Word"),
    "asr.score.simple": ("cer", "compare", "wer"),
    "asr.score.statistics": ("PairedTest",),
    "asr.shipped": ("available_models",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "Aligner",
    "AsrError",
    "AudioError",
    "CheckpointError",
    "Chunks",
    "ConfigError",
    "CtcDecoder",
    "CtcHypothesis",
    "CtcSession",
    "DataError",
    "ManifestError",
    "MissingPackageError",
    "PairedTest",
    "PartialWords",
    "Recognizer",
    "Stream",
    "StreamSettings",
    "TextError",
    "Transcript",
    "Utterance",
    "Word",
    "__version__",
    "available_models",
    "cer",
    "compare",
    "load_audio",
    "wer",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("lstm-asr")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'asr' has no attribute '{name}'")
    value: object = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
