"""The types of the functions through which the library tells its caller what it is doing."""

from __future__ import annotations

from collections.abc import Callable

Note = Callable[[str], None]
"""Called with one line of text for the user."""

Progress = Callable[[float, float], None]
"""Called with the work done so far and the total, both in the same unit."""
