"""NumPy's .npz archives of two-dimensional arrays, read so that no file can ask for much memory."""

from __future__ import annotations

import io
import lzma
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from asr.atomic_file import replacing
from asr.errors import TextError
from asr.unpacking import ALWAYS_ALLOWED, SETTING, USUAL_RATIO, unpacked_limit

DAMAGED = (
    OSError, ValueError, EOFError, AttributeError, LookupError, TypeError, ArithmeticError, RuntimeError,
    NotImplementedError, SyntaxError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip  # what zipfile and NumPy raise for files that are none, of every kind
ENDING = ".npy"

Matrices = dict[str, NDArray[Any]]


def read_npz(
    path: Path, limit: int = 0, what: str = ".npz of log-probs", kind: str = "f", content: bytes | None = None
) -> tuple[Matrices, bytes]:
    """The arrays (rows, columns) in an archive, the first `limit` by name, and the archive's comment.

    what: names the file in messages. kind: of all arrays, as NumPy's `dtype.kind`. content: the file's, if it was read.

    Raises TextError for a file that is missing, damaged, holds anything else, or unpacks to more than it may
    (`asr.unpacking`).
    """
    try:
        with zipfile.ZipFile(path if content is None else io.BytesIO(content)) as archive:
            entries = sorted(archive.infolist(), key=lambda entry: entry.filename)[: limit or None]
            total, allowed = (
                sum(entry.file_size for entry in entries),
                unpacked_limit(path) if content is None else max(ALWAYS_ALLOWED, USUAL_RATIO * len(content)),
            )
            if total > allowed:
                raise TextError(
                    f"{path} unpacks to {total >> 20} MB, which is more than its size lets expect; if it is meant to, "
                    f"set the environment variable {SETTING} to the MB that it may take."
                )
            arrays: Matrices = {}
            for entry in entries:
                with archive.open(entry) as file:
                    arrays[entry.filename.removesuffix(ENDING)] = _read_matrix(file, entry.file_size, kind)  # type: ignore[arg-type]
            return arrays, archive.comment
    except FileNotFoundError:
        raise TextError(f"{path} does not exist; check the path.") from None
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200]
        raise TextError(f"{path} is no {what}, or is damaged ({reason}).") from None


def _read_matrix(file: BinaryIO, size: int, kind: str) -> NDArray[Any]:
    """The array in a .npy file of so many bytes. Raises ValueError for another kind of array or size."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"arrays of format {version} are not supported")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.kind != kind or len(shape) != 2:
        raise ValueError(f"an array has the type {dtype} and the shape {shape}, not two dimensions of kind {kind}")
    if not 0 <= math.prod(shape) * dtype.itemsize <= size:
        raise ValueError(f"an array of shape {shape} does not fit into the file")
    data = file.read(math.prod(shape) * dtype.itemsize)
    values = np.frombuffer(data, dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def write_npz(path: Path, arrays: Mapping[str, NDArray[np.floating]], comment: bytes = b"") -> None:
    """Write arrays by name, compressed, whole or not at all. A name may be any text."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}{ENDING}", "w", force_zip64=True) as file:
                npy.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
        archive.comment = comment
