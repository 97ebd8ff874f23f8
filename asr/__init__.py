"""A speech-recognition toolkit around one LSTM core.

from asr import Recognizer
print(Recognizer.load().transcribe("talk.wav").text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asr.recognizer.recognizer import Recognizer, Transcript

__all__ = ["Recognizer", "Transcript"]


def __getattr__(name: str) -> Any:
    """Import what is public on first use: `import asr` alone stays light."""
    if name in __all__:
        from asr.recognizer import recognizer

        return getattr(recognizer, name)
    raise AttributeError(f"module 'asr' has no attribute '{name}'")
