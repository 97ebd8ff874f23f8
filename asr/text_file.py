"""Text files that are read whole."""

from __future__ import annotations

from pathlib import Path

from asr.errors import AsrError, TextError


def read_text(path: str | Path, what: str = "", error: type[AsrError] = TextError) -> str:
    """The content of a UTF-8 file, without a byte order mark.

    what: what the file is, for messages, such as "token file". Raises `error` if the file is missing or not UTF-8.
    """
    name = f"{what} {path}".strip()
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as reason:
        raise error(f"cannot read {name}: {reason.strerror}; check the path.") from None
    except UnicodeDecodeError as reason:
        raise error(f"{name} is not UTF-8 (byte {reason.start}); write it again as UTF-8.") from None
