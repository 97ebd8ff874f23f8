"""Pauses after words in read speech, by the mark that the text has there."""

from __future__ import annotations

# Seconds between a recognised word and the next, the quantiles 0, 0.05, ... 1: 285 sentences of LJ Speech through the
# shipped model. Of question and exclamation marks there were none: they count as full stops.
_FULL_STOP = (
    0.18, 0.21, 0.28, 0.3, 0.34, 0.37, 0.43, 0.48, 0.5, 0.57, 0.57, 0.7, 0.72, 0.72, 0.74, 0.75, 0.77, 0.81, 0.81, 0.81,
    0.84,
)  # fmt: skip
READ_SPEECH: dict[str, tuple[float, ...]] = {
    "": (
        0.03, 0.03, 0.03, 0.03, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.09, 0.09, 0.09, 0.09, 0.12, 0.12,
        0.15, 0.24, 0.69,
    ),
    ",": (
        0.03, 0.06, 0.09, 0.12, 0.21, 0.28, 0.33, 0.36, 0.39, 0.39, 0.42, 0.42, 0.45, 0.45, 0.48, 0.48, 0.51, 0.51,
        0.54, 0.6, 0.93,
    ),
    ";": (
        0.36, 0.36, 0.39, 0.45, 0.45, 0.47, 0.5, 0.53, 0.54, 0.54, 0.56, 0.57, 0.59, 0.61, 0.63, 0.63, 0.65, 0.69, 0.69,
        0.72, 0.78,
    ),
    ".": _FULL_STOP,
    "?": _FULL_STOP,
    "!": _FULL_STOP,
}  # fmt: skip
