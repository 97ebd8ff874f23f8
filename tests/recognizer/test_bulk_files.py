"""Many files at once: the transcripts of one by one, each result once whatever is killed, shards, and Ray."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asr.backends.open import open_backend
from asr.backends.shared import SharedBackend
from asr.decode.build import SearchOptions
from asr.errors import ConfigError, DataError
from asr.recognizer.bulk_files import BulkTranscriber
from asr.recognizer.ray_files import RayJob, ShardWorker, transcribe_on_ray
from asr.recognizer.recognizer import Recognizer
from asr.recognizer.results_file import ResultsFile, in_shard
from tests.conftest import speech_like


def line(file: str, text: str = "a") -> str:
    return json.dumps({"file": file, "text": text}) + "\n"


@pytest.fixture(scope="module")
def wavs(tmp_path_factory) -> list[str]:
    """Recordings of several lengths."""
    folder = tmp_path_factory.mktemp("wavs")
    files = []
    for number in range(12):
        files.append(str(folder / f"{number:02d}.wav"))
        soundfile.write(files[-1], speech_like(0.4 + 0.3 * (number % 5), seed=number), 16000)
    return files


@pytest.fixture(scope="module")
def recognizer(tiny_model) -> Recognizer:
    return Recognizer.load(tiny_model, device="cpu", threads=1)


def transcribe(recognizer, file, progress):
    return recognizer.transcribe(file, progress=progress)


def test_files_at_once_give_the_transcripts_of_one_by_one_in_order(recognizer, wavs):
    expected = [recognizer.transcribe(file) for file in wavs]
    with BulkTranscriber(recognizer, 5) as bulk:
        results = [(file, future.result()) for file, future in bulk.each(wavs, transcribe)]
    assert [file for file, _ in results] == wavs
    for (_, got), wanted in zip(results, expected, strict=True):
        assert (got.text, got.duration) == (wanted.text, wanted.duration)
        assert [w.confidence for w in got.words] == pytest.approx([w.confidence for w in wanted.words], abs=1e-4)


def test_an_error_belongs_to_its_file(recognizer, wavs):
    files = [wavs[0], "missing.wav", wavs[1]]
    with BulkTranscriber(recognizer, 3) as bulk:
        errors = [future.exception() for _, future in bulk.each(files, transcribe)]
    assert [error is None for error in errors] == [True, False, True]


def test_work_that_is_left_early_ends_soon(recognizer, wavs):
    started = threading.active_count()

    def leave() -> None:
        with BulkTranscriber(recognizer, 3) as bulk:
            for _ in bulk.each(wavs * 50, transcribe):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert threading.active_count() <= started


class Counting:
    """A backend that counts its calls, waits before the first one ends, and refuses long pieces."""

    def __init__(self, backend) -> None:
        self._backend, self.sizes, self.go = backend, [], threading.Event()

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def log_probs(self, pieces):
        self.sizes.append(len(pieces))
        self.go.wait(20)
        if any(len(piece) > 40_000 for piece in pieces):
            raise ValueError("too long")
        return self._backend.log_probs(pieces)


def test_pieces_of_several_threads_share_a_batch_and_their_results_do_not_mix(tiny_model):
    plain = open_backend(tiny_model, device="cpu", threads=1)
    counting = Counting(plain)
    shared = SharedBackend(counting)
    pieces = [speech_like(1.0 + 0.05 * number, seed=number) for number in range(6)]
    results: dict[int, np.ndarray] = {}

    def ask(number: int) -> None:
        results[number] = shared.log_probs([pieces[number]])[0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
        while not counting.sizes:
            time.sleep(0.005)
    deadline = time.monotonic() + 20
    while len(shared._waiting) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    counting.go.set()
    for thread in threads:
        thread.join()
    assert counting.sizes == [1, 5]
    for number, piece in enumerate(pieces):
        np.testing.assert_allclose(results[number], plain.log_probs([piece])[0], atol=1e-4)
    shared.close()
    with pytest.raises(RuntimeError):
        shared.log_probs(pieces)


def test_a_piece_that_fails_does_not_fail_others_of_its_batch(tiny_model):
    counting = Counting(open_backend(tiny_model, device="cpu", threads=1))
    counting.go.set()
    shared = SharedBackend(counting)
    pieces = [speech_like(2.0), speech_like(2.4), speech_like(2.7)]
    with pytest.raises(ValueError, match="too long"):
        shared.log_probs(pieces)
    assert counting.sizes == [3, 1, 1, 1]
    assert len(shared.log_probs(pieces[:2])) == 2
    shared.close()


def test_a_torn_line_is_dropped_and_whole_ones_are_kept(tmp_path):
    path = tmp_path / "results.jsonl"
    with ResultsFile(path) as results:
        results.add("a.wav", line("a.wav"))
        results.add("a.wav", line("a.wav"))
        results.add("b\udcff.wav", json.dumps({"file": "b\udcff.wav"}, ensure_ascii=False) + "\n")
    whole = path.read_bytes()
    assert whole.count(b"\n") == 2
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        with ResultsFile(path, resume=True) as results:
            assert results.done == set(["a.wav", "b\udcff.wav"][: whole[:cut].count(b"\n")])
            results.add("a.wav", line("a.wav"))
            results.add("b\udcff.wav", json.dumps({"file": "b\udcff.wav"}, ensure_ascii=False) + "\n")
        assert path.read_bytes() == whole


def test_a_full_disk_leaves_no_part_of_a_line_before_the_next_one(tmp_path, monkeypatch):
    path, write = tmp_path / "r.jsonl", os.write
    room = [len(line("a")) + 5]

    def into_room(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", into_room)
    with ResultsFile(path) as results:
        results.add("a", line("a"))
        with pytest.raises(OSError, match=r"r\.jsonl"):
            results.add("b", line("b"))
        room[0] = 1000  # somebody has made room
        results.add("c", line("c"))
        results.add("b", line("b"))
    assert path.read_text() == line("a") + line("c") + line("b")


def test_what_is_no_file_of_results_is_not_touched(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text("shopping list\n")
    with pytest.raises(ConfigError, match="exists"):
        ResultsFile(path)
    with pytest.raises(DataError, match="line 1"):
        ResultsFile(path, resume=True)
    assert path.read_text() == "shopping list\n"
    path.write_text("a list without a line end")
    with pytest.raises(DataError, match="does not end in a result"):
        ResultsFile(path, resume=True)
    assert path.read_text() == "a list without a line end"
    path.unlink()
    with ResultsFile(path), pytest.raises(ConfigError, match="another process"):
        ResultsFile(path, resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_a_pipe_and_an_empty_file_take_results(tmp_path, resume):
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_bytes)
        with ResultsFile(tmp_path / "pipe", resume) as results:
            results.add("a.wav", line("a.wav"))
        assert read.result() == line("a.wav").encode()
    (tmp_path / "empty").touch()  # as the shell makes it before `--output /dev/stdout > empty`
    with ResultsFile(tmp_path / "empty", resume) as results:
        results.add("a.wav", line("a.wav"))
    assert (tmp_path / "empty").read_bytes() == line("a.wav").encode()


def test_shards_divide_the_files_and_do_not_depend_on_the_others():
    files = [f"{number}.wav" for number in range(1000)]
    shards = [in_shard(files, index, 7) for index in range(1, 8)]
    assert sorted(file for shard in shards for file in shard) == sorted(files)
    assert all(100 < len(shard) < 190 for shard in shards)
    assert in_shard(files[:10], 3, 7) == [file for file in shards[2] if file in files[:10]]


def test_each_file_has_its_line_once_after_kills(tiny_model, wavs, tmp_path, run):
    output = tmp_path / "results.jsonl"
    command = [sys.executable, "-m", "asr", "transcribe", *wavs, "--model", str(tiny_model), "--threads", "1",
               "--jobs", "3", "--output", str(output), "--resume"]  # fmt: skip
    for wanted in (2, 5):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not output.exists() or output.read_bytes().count(b"\n") < wanted):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    code, _, _ = run(*command[3:])
    assert code == 0
    lines = [json.loads(text) for text in output.read_text().splitlines()]
    assert Counter(entry["file"] for entry in lines) == Counter(wavs)
    _, out, _ = run("transcribe", *wavs, "--model", tiny_model, "--threads", 1, "--jobs", 1, "--format", "json")
    expected = {entry["file"]: entry["text"] for entry in map(json.loads, out.splitlines())}
    assert {entry["file"]: entry["text"] for entry in lines} == expected
    before = output.read_bytes()
    assert run(*command[3:])[0] == 0
    assert output.read_bytes() == before


def test_the_command_refuses_what_does_not_go_together(tiny_model, wavs, tmp_path, run):
    output = tmp_path / "r.jsonl"
    for options in (
        ["--output", output, "--format", "srt"],
        ["--output", output, "--output-dir", tmp_path],
        ["--engine", "ray"],
        ["--engine", "ray", "--output", "r", "--channels", "separate"],
        ["--engine", "ray", "--output", "r", "--device", "cuda"],
        ["--engine", "ray", "--output", "r", "--threads", "4"],
        ["--engine", "ray", "--output", "r", "--jobs", "2"],
        ["--shard", "3/2"],
        ["--shard", "0/2"],
        ["--resume"],
    ):
        assert run("transcribe", wavs[0], "--model", tiny_model, *options)[0] == 2
    code, _, errors = run("transcribe", wavs[0], "missing.wav", "--model", tiny_model, "--output", output)
    assert (code, output.read_text().count("\n"), "missing.wav" in errors) == (1, 1, True)
    assert run("transcribe", wavs[0], "--model", tiny_model, "--output", output)[0] == 2


def test_shards_of_the_command_are_all_files(tiny_model, wavs, run):
    texts = [
        run("transcribe", *wavs, "--model", tiny_model, "--threads", 1, "--shard", f"{index}/3", "--format", "json")[1]
        for index in (1, 2, 3)
    ]
    files = [json.loads(text)["file"] for some in texts for text in some.splitlines()]
    assert sorted(files) == wavs


def test_a_worker_of_ray_goes_on_after_any_error_of_a_file(tiny_model, wavs, tmp_path, monkeypatch):
    worker = ShardWorker(RayJob(model=str(tiny_model), search=SearchOptions(), output=tmp_path))
    transcribe = worker._recognizer.transcribe

    def broken(file, **options):
        if file == wavs[0]:
            raise OSError(errno.EIO, "Input/output error")
        return transcribe(file, **options)

    monkeypatch.setattr(worker._recognizer, "transcribe", broken)
    outcome = worker({"name": "x", "files": wavs[:2]})
    assert (outcome["done"], outcome["errors"]) == (1, [f"{wavs[0]}: Input/output error."])
    assert json.loads((tmp_path / "part-x.jsonl").read_text())["file"] == wavs[1]


class _Killed(ShardWorker):
    """A worker that is killed at its first work on some shards: before their results are written, or after."""

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        number = next((n for n in range(5) if str(row["files"][0]).endswith(f"{2 * n:02d}.wav")), None)
        fallen = self._job.output / f"killed-{number}"
        if number is not None and not fallen.exists():
            fallen.touch()
            if number % 2:
                super().__call__(row)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(row)


def test_ray_gives_each_file_once_also_when_five_workers_are_killed(tiny_model, wavs, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    from asr.recognizer import ray_files

    monkeypatch.setattr(ray_files, "ShardWorker", _Killed)
    monkeypatch.setenv("RAY_worker_niceness", "0")  # 15 unless told otherwise: on a busy machine they would starve
    source = str(Path(__file__).parents[2])
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join([source, *sys.path])}}
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False, runtime_env=environment)
    try:
        job = RayJob(model=str(tiny_model), search=SearchOptions(), output=tmp_path / "out", shard_files=1)
        files = [*wavs, str(tmp_path / "missing.wav")]
        outcomes = list(transcribe_on_ray(files, job))
        lines = [json.loads(text) for part in sorted(job.output.glob("*.jsonl")) for text in part.open()]
        assert Counter(entry["file"] for entry in lines) == Counter(wavs)
        assert len(list(job.output.glob("killed-*"))) == 5
        assert (sum(outcome.done for outcome in outcomes), sum(len(each.errors) for each in outcomes)) == (12, 1)
        recognizer = Recognizer.load(tiny_model, device="cpu", threads=1)
        assert all(entry["text"] == recognizer.transcribe(entry["file"]).text for entry in lines)
        again = list(transcribe_on_ray(files, job))
        assert (sum(outcome.done for outcome in again), len(again)) == (0, 1)
    finally:
        ray.shutdown()
