"""Pipes as temporary files: whole, and never a wait that nothing can end."""

from __future__ import annotations

import io
import os
import sys
import threading

import pytest

from asr.audio.spool import spooled
from asr.errors import AudioError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes are asked whether they have something by poll(2)")


class _Enough(Exception):
    """Raised by a caller that does not want to wait any longer."""


def _enough() -> None:
    raise _Enough


def test_a_pipe_is_copied_to_its_end_however_slowly_it_comes(tmp_path):
    content = bytes(range(256)) * 1000
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as file:
            for start in range(0, len(content), 50_000):
                file.write(content[start : start + 50_000])

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as file, spooled(file, "pipe") as copy:
        assert copy.read_bytes() == content
    thread.join()
    assert not copy.exists()


@pytest.mark.parametrize("buffering", [0, -1])
def test_a_pipe_that_gives_nothing_asks_whether_to_go_on(tmp_path, monkeypatch, buffering):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reading, writing = os.pipe()
    os.write(writing, b"RIFF")
    with (
        pytest.raises(_Enough),
        os.fdopen(reading, "rb", buffering=buffering) as file,
        spooled(file, "pipe", _enough),
    ):
        pass
    os.close(writing)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the opening itself waits")
def test_a_pipe_that_nobody_writes_to_asks_whether_to_go_on(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(_Enough), spooled(tmp_path / "pipe", "pipe", _enough):
        pass


def test_a_pipe_that_is_opened_later_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    asked: list[None] = []

    def write() -> None:
        asked.append(None)
        if len(asked) == 1:
            threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b"whole")).start()

    if sys.platform != "linux":
        threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b"whole")).start()
    with spooled(tmp_path / "pipe", "pipe", write) as copy:
        assert copy.read_bytes() == b"whole"


def test_files_that_are_no_pipes(tmp_path):
    (tmp_path / "a").write_bytes(b"whole")
    with (tmp_path / "a").open("rb") as file, spooled(file, "a", _enough) as copy:
        assert copy.read_bytes() == b"whole"
    with spooled(io.BytesIO(b"whole"), "a", _enough) as copy:
        assert copy.read_bytes() == b"whole"
    with pytest.raises(AudioError, match="binary mode"), spooled(io.StringIO("text"), "a"):  # type: ignore[arg-type]
        pass
