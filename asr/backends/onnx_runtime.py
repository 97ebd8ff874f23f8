"""ONNX Runtime, imported with its telemetry off.

Newer versions (1.32 is one) otherwise write an identifier of the machine and a database into the user's cache folder,
a file into that of temporary files, start a thread, and send what they count to their makers, as soon as they are
imported.
"""

from __future__ import annotations

import os

SETTING = "ORT_DISABLE_TELEMETRY"  # read when the package is imported; a user's own value stays
os.environ.setdefault(SETTING, "1")

import onnxruntime  # noqa: E402

__all__ = ["onnxruntime"]
