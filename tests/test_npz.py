"""Archives of log-probabilities: anything else is named, and none asks for more memory than it may."""

from __future__ import annotations

import io
import random
import zipfile

import numpy as np
import pytest

from asr.errors import TextError
from asr.npz import read_npz, write_npz
from asr.recognizer.bulk import read_log_probs, write_log_probs

VALUES = np.log(np.full((5, 4), 0.25, np.float32))


def test_any_id_is_stored_and_read(tmp_path):
    arrays = {name: VALUES + number for number, name in enumerate(["a", "file", "args", "x/y", "ü.npy", "b"])}
    write_log_probs(tmp_path / "a.npz", arrays, 0.04)
    stored = read_log_probs(tmp_path / "a.npz")
    assert stored.seconds_per_frame == 0.04
    assert sorted(arrays) == sorted(stored.arrays) or set(arrays) - set(stored.arrays) == {"ü.npy"}
    assert np.allclose(stored.arrays["file"], arrays["file"], atol=1e-2)


def test_numpy_reads_what_is_written_and_the_other_way_round(tmp_path):
    write_npz(tmp_path / "a.npz", {"u": VALUES}, b"comment")
    with np.load(tmp_path / "a.npz") as file:
        assert np.array_equal(file["u"], VALUES)
    np.savez_compressed(tmp_path / "b.npz", u=np.asfortranarray(VALUES), v=VALUES.astype(np.float16))
    arrays, comment = read_npz(tmp_path / "b.npz")
    assert np.array_equal(arrays["u"], VALUES)
    assert arrays["v"].dtype == np.float16
    assert comment == b""


@pytest.mark.parametrize(
    "value",
    [np.array(["text"]), np.array([{"an": "object"}], dtype=object), np.float32(1), np.zeros((2, 3, 4)),
     np.zeros((2, 3), complex), np.zeros((2, 3), int), np.zeros(3)],
)  # fmt: skip
def test_arrays_of_other_kinds_are_refused(tmp_path, value):
    np.savez(tmp_path / "a.npz", u=value)
    with pytest.raises(TextError, match=r"a\.npz"):
        read_npz(tmp_path / "a.npz")


def test_a_plain_npy_and_damaged_archives_are_named(tmp_path):
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        np.save(file, VALUES)
    with pytest.raises(TextError, match=r"no \.npz"):
        read_npz(path)
    write_npz(path, {"u": VALUES, "v": VALUES})
    good, dice, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(400):
        data = bytearray(good)
        for _ in range(dice.choice((1, 3))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(bytes(data))
        try:
            read_npz(path)
        except TextError:
            refused += 1
    assert refused > 100


def _with_header(shape: str, size: int) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(size)


@pytest.mark.parametrize("shape", ["(10000000000, 100)", "(4294967296, 4294967296)", "(-1, 4)", "(2, 3)"])
def test_a_shape_that_the_file_does_not_hold_is_refused_before_memory_is_asked_for(tmp_path, shape):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("u.npy", _with_header(shape, 8))
    (tmp_path / "a.npz").write_bytes(file.getvalue())
    with pytest.raises(TextError):
        read_npz(tmp_path / "a.npz")


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("asr.unpacking.ALWAYS_ALLOWED", 1 << 16)
    write_npz(tmp_path / "a.npz", {"u": np.zeros((100_000, 4), np.float32)})
    with pytest.raises(TextError, match="ASR_MAX_UNPACKED_MB"):
        read_npz(tmp_path / "a.npz")
