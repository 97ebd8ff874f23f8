"""Files that are whole or absent, their temporary names, and what killed processes leave."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from asr import atomic_file
from asr.atomic_file import replacing, temporary_folder, write_atomically

ROOT = Path(__file__).parents[1]
KILLED = """
import os, sys
from pathlib import Path
from asr.atomic_file import replacing, temporary_folder
with temporary_folder() as folder, replacing(Path(sys.argv[1]) / "a.txt") as path:
    path.write_text("half")
    (folder / "b").write_text("half")
    os.kill(os.getpid(), 9)
"""


def _python(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=False, text=True, capture_output=True, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not say whether a process is alive")
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    assert _python(KILLED, tmp_path / "out").returncode == -9
    left = [*(tmp_path / "out").iterdir(), *(tmp_path / "tmp").iterdir()]
    assert len(left) == 2
    alive = tmp_path / "out" / f".{atomic_file.temporary_name()}"  # of a process that is still writing: this one
    foreign = tmp_path / "out" / ".asr-000000-1-0.tmp"  # of another machine
    alive.touch()
    foreign.touch()
    code = "import sys; from pathlib import Path; from asr.atomic_file import write_text, temporary_folder\n"
    code += "write_text(Path(sys.argv[1]), 'whole')\nwith temporary_folder(): pass"
    assert _python(code, tmp_path / "out" / "b.txt").returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([alive.name, foreign.name, "b.txt"])
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither modes nor named pipes in folders")
def test_modes_and_links_stay_and_pipes_take_the_content(tmp_path):
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "private", b"a")
    finally:
        os.umask(before)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600
    (tmp_path / "private").chmod(0o640)
    (tmp_path / "link").symlink_to("private")
    write_atomically(tmp_path / "link", b"b")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "private").read_bytes() == b"b"
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o640
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "pipe", b"c")
    assert os.read(reader, 10) == b"c"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe", "private"]


def test_a_name_as_long_as_the_file_system_allows_is_written(tmp_path):
    path = tmp_path / ("n" * 251 + ".txt")
    write_atomically(path, b"content")
    assert path.read_bytes() == b"content"
    with pytest.raises(OSError, match="nnn") as caught:
        write_atomically(tmp_path / ("n" * 300), b"content")
    assert caught.value.filename == str(tmp_path / ("n" * 300))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    code = "import signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    code += "from asr.atomic_file import write_atomically\n"
    code += "try: write_atomically(sys.argv[1], bytes(5000))\nexcept OSError as error: print(error.filename)"
    result = _python(code, path, preexec_fn=limited)
    assert result.stdout.strip() == str(path), result.stderr
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


WRITERS = {
    "weights": "write_arrays(path, {'a': np.zeros(2000, np.float32)})",
    "sound": "write_flac(path, 'a', np.random.default_rng(0).normal(0, 0.1, 9000).astype(np.float32))",
    "rows on disk": "DiskArray(path, np.uint8).append(np.zeros(1001, np.uint8))",
}


@pytest.mark.parametrize("writer", WRITERS)
def test_libraries_that_write_files_themselves_notice_a_full_disk(tmp_path, writer):
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    code = "import signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nimport numpy as np\n"
    code += "from pathlib import Path\nfrom asr.model_folder import write_arrays\n"
    code += "from asr.data.derived import write_flac\nfrom asr.lm.ngram.disk_arrays import DiskArray\n"
    code += f"path = Path(sys.argv[1])\ntry: {WRITERS[writer]}\nexcept OSError as error: print(error.filename)"
    path = tmp_path / "model.safetensors" if writer == "weights" else tmp_path
    result = _python(code, path, preexec_fn=limited)
    assert result.stdout.startswith(str(tmp_path)), result.stderr
    assert not [entry for entry in tmp_path.rglob("*") if entry.is_file()]


def test_two_writers_of_one_file_in_one_process_do_not_meet(tmp_path):
    with replacing(tmp_path / "a") as one, replacing(tmp_path / "a") as two:
        one.write_text("1")
        two.write_text("2")
    assert (tmp_path / "a").read_text() == "1"
    with temporary_folder() as first, temporary_folder() as second:
        assert first != second
