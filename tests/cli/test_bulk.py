"""Bulk transcription: every output has a name of its own, and no file ends the run, whatever is wrong with it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from asr.cli.console import Progress
from asr.cli.main import main
from asr.cli.speech.output_names import AudioPath, output_names
from asr.recognizer.origins import NAME as ORIGINS
from asr.recognizer.origins import Origins, origin_of
from asr.recognizer.recognizer import Recognizer

ROOT = Path(__file__).parents[2]


def _names(*files: AudioPath) -> list[str]:
    return [str(path) for path in output_names(files)]


def test_files_of_a_folder_keep_their_sub_folders():
    files = [AudioPath(path, "p") for path in ("p/a/x.wav", "p/b/x.wav", "p/y.wav", "p/z.wav", "p/z.mp3")]
    assert _names(*files) == ["a/x", "b/x", "y", "z.wav", "z.mp3"]


def test_files_that_are_named_go_by_their_stems_unless_these_are_the_same():
    assert _names(AudioPath("q/x.wav"), AudioPath("r/y.wav")) == ["x", "y"]
    assert _names(AudioPath("q/x.wav"), AudioPath("q/x.mp3")) == ["x.wav", "x.mp3"]
    assert _names(AudioPath("q/a/x.wav"), AudioPath("q/b/x.wav")) == ["a/x.wav", "b/x.wav"]
    assert _names(AudioPath("X.wav"), AudioPath("x.wav")) == ["X.wav", "x.wav-2"]  # not so where case does not count
    assert _names(AudioPath("x.wav"), AudioPath("./x.wav")) == ["x.wav", "x.wav-2"]
    assert _names(AudioPath("x.wav.mp3"), AudioPath("x.wav"), AudioPath("x.mp3")) == ["x.wav.mp3", "x.wav", "x.mp3"]
    assert _names(AudioPath("-"), AudioPath("stdin.wav")) == ["stdin", "stdin.wav"]


def test_no_two_outputs_of_a_run_have_the_same_name(run, make_wav, tmp_path, tiny_model):
    for folder in ("p/a", "p/b", "q"):
        (tmp_path / folder).mkdir(parents=True)
        shutil.copy(make_wav(f"{folder[-1]}.wav", 1.0 + len(folder) / 10), tmp_path / folder / "x.wav")
    code, _, _ = run("transcribe", tmp_path / "p", tmp_path / "q", "--model", tiny_model, "--format", "json",
                     "--output-dir", tmp_path / "o")  # fmt: skip
    assert code == 0
    written = {
        path.relative_to(tmp_path / "o"): json.loads(path.read_text()) for path in (tmp_path / "o").rglob("*.json")
    }
    assert sorted(map(str, written)) == ["a/x.json", "b/x.json", "x.json"]
    assert all(str(name.parent / "x.wav") in values["file"] for name, values in written.items())


def test_any_exception_of_a_file_is_named_and_the_others_are_done(run, make_wav, tmp_path, tiny_model, monkeypatch):
    files = [make_wav(f"{name}.wav") for name in "abcd"]
    (tmp_path / "e.raw").write_bytes(b"samples")
    real, errors = Recognizer.transcribe, {"a": MemoryError(), "b": KeyError("x"), "c": OSError(28, "No space left")}

    def transcribe(self: Recognizer, source: str, **options: object) -> object:
        error = errors.get(Path(source).stem)
        if error is not None:
            raise error
        return real(self, source, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Recognizer, "transcribe", transcribe)
    code, out, err = run("transcribe", *files, tmp_path / "e.raw", "", "--model", tiny_model, "--format", "json")
    assert code == 1
    assert [json.loads(line)["file"] for line in out.splitlines()] == [str(tmp_path / "d.wav")]
    lines = err.splitlines()
    assert len(lines) == 5, lines
    assert lines[0] == "asr: an empty path names no audio file."
    for name, text in (("a.wav", "MemoryError"), ("b.wav", "KeyError"), ("c.wav", "No space"), ("e.raw", "not audio")):
        assert any(name in line and text in line for line in lines), (name, lines)


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_several_files_have_one_bar_which_gives_way_to_what_is_printed(
    run, make_wav, tmp_path, tiny_model, monkeypatch, jobs
):
    files = [make_wav(f"{name}.wav", seconds) for name, seconds in (("a", 1.0), ("b", 3.0), ("d", 2.0))]
    (tmp_path / "c.wav").write_bytes(b"RIFF")
    command = ("transcribe", *files, tmp_path / "c.wav", "--model", tiny_model, "--jobs", jobs)
    assert "4 files" not in run(*command)[2]  # no terminal, no bar
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("asr.cli.console.REDRAW_SECONDS", 0.0)
    code, out, err = run(*command)
    assert code == 1
    assert "of 4 files" in err
    assert "4 of 4 files" in err
    assert "transcribing [" in err
    before, message = err.split("asr: ")
    assert before.endswith("\r\x1b[K")
    assert "c.wav" in message
    assert len(out.splitlines()) == 3
    assert "[" not in run(*command, "--quiet")[2]


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_a_bar_is_no_wider_than_the_terminal(capsys, monkeypatch, columns):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("asr.cli.console._columns", lambda: columns)
    bar = Progress("a lecture with a long name.mp4" * 3)
    bar(1.0, 2.0, "text")
    bar.close()
    drawn = capsys.readouterr().err.split("\x1b[K")[0].removeprefix("\r")
    assert len(drawn) <= columns - 1
    assert columns == 20 or " 50% 0:00 left text" in drawn


def test_closed_streams_do_no_harm(make_wav, tmp_path, tiny_model, monkeypatch):
    """As a service may start a program: without standard output and error."""
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    with pytest.raises(SystemExit) as ended:
        main(["transcribe", str(make_wav("a.wav")), "--model", str(tiny_model), "--output", str(tmp_path / "x.srt")])
    assert ended.value.code == 0
    assert (tmp_path / "x.srt").exists()
    with pytest.raises(SystemExit) as ended:
        main(["transcribe", str(make_wav("a.wav")), "--model", str(tiny_model)])
    assert ended.value.code == 0


def test_an_output_is_of_the_format_that_its_name_says(run, make_wav, tmp_path, tiny_model):
    wav = make_wav("a.wav", 2.0)
    for ending, form in (("srt", "srt"), ("TEXTGRID", "TextGrid"), ("tsv", "tsv")):
        _, printed, _ = run("transcribe", wav, "--model", tiny_model, "--format", form)
        assert run("transcribe", wav, "--model", tiny_model, "--output", tmp_path / "o" / f"x.{ending}")[:2] == (0, "")
        assert (tmp_path / "o" / f"x.{ending}").read_text() == printed
    assert (
        run("transcribe", wav, "--model", tiny_model, "--output", tmp_path / "o" / "x.tsv", "--format", "tsv")[0] == 0
    )
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["x.TEXTGRID", "x.srt", "x.tsv"]
    assert run("transcribe", wav, "--model", tiny_model, "--output", tmp_path / "o" / "x.jsonl")[0] == 0
    assert json.loads((tmp_path / "o" / "x.jsonl").read_text())["file"] == str(wav)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--output", "x.srt", "--format", "vtt"), "x.srt is srt by its name and --format says vtt"),
        (("--output", "x", "--format", "vtt"), "let its name end in .vtt"),
        (("--output", "x.srt", "--output-dir", "y"), "leave one out"),
        (("b.wav", "--output", "x.srt"), "srt of one recording, and there are 2"),
        (("--output", "."), "is a folder"),
    ],
)
def test_outputs_that_contradict_themselves_are_wrong_usage(run, make_wav, tmp_path, tiny_model, options, text):
    code, _, err = run("transcribe", make_wav("a.wav"), "--model", tiny_model, *options)
    assert code == 2
    assert text in err
    assert not Path("x.srt").exists()


@pytest.mark.parametrize("single", [False, True])
def test_resume_takes_no_recording_for_another(run, make_wav, tmp_path, tiny_model, single):
    first, second = tmp_path / "b" / "x.wav", tmp_path / "a" / "x.wav"
    for path in (first, second):
        path.parent.mkdir()
    shutil.copy(make_wav("long.wav", 1.5), first)
    shutil.copy(make_wav("short.wav", 1.0), second)
    soundfile.write(tmp_path / "b" / "x.flac", soundfile.read(second)[0], 16000)
    folder = tmp_path / "o"
    output = folder / "x.tsv"

    def made_of(path, *options):
        """Whether a run wrote the output anew."""
        output.write_text("kept")
        os.utime(output, (2**32, 2**32))  # newer than all recordings
        named = ("--output", output) if single else ("--format", "tsv", "--output-dir", folder)
        assert run("transcribe", path, "--model", tiny_model, *named, *options)[0] == 0
        return output.read_text() != "kept"

    folder.mkdir()
    assert made_of(first, "--resume")  # made by nobody knows what
    assert not made_of(first, "--resume")
    assert made_of(second, "--resume")  # of the same name
    assert not made_of(second, "--resume")
    assert made_of(tmp_path / "b" / "x.flac", "--resume")
    assert made_of(first, "--resume")
    assert made_of(second)
    assert made_of(first, "--resume")
    shutil.copy(second, first)  # another content, in the size of a second
    assert made_of(first, "--resume")
    assert not made_of(first, "--resume")


def test_an_output_is_of_no_recording_while_it_is_replaced_and_torn_lines_count_for_nothing(tmp_path):
    recording, output = tmp_path / "a.wav", tmp_path / "sub" / "a.txt"
    output.parent.mkdir()
    recording.touch()
    output.touch()
    origin = origin_of(recording)
    Origins(tmp_path).add([output], origin)
    assert Origins(tmp_path).are_of([output], origin)
    assert not Origins(tmp_path).are_of([output, tmp_path / "sub" / "a.srt"], origin)
    with (tmp_path / ORIGINS).open("a") as file:
        file.write('{"output": "sub/a.t')
    Origins(tmp_path).forget([output])
    assert not Origins(tmp_path).are_of([output], origin)
    Origins(tmp_path).add([output], origin)
    assert Origins(tmp_path).are_of([output], origin)
    output.unlink()
    assert not Origins(tmp_path).are_of([output], origin)


def test_paths_come_from_a_list(run, make_wav, tmp_path, tiny_model):
    names = [make_wav(name) for name in ("a b.wav", "caf\u00e9.wav", "c.wav")]
    (tmp_path / "list").write_text(f"\ufeff{names[0]}\r\n\n{names[1]}\n{tmp_path / 'none.wav'}", encoding="utf-8")
    command = ("transcribe", names[2], "--model", tiny_model, "--format", "json", "--files-from")
    code, out, err = run(*command, tmp_path / "list")
    assert code == 1
    assert "none.wav does not exist" in err
    assert [json.loads(line)["file"] for line in out.splitlines()] == [str(names[number]) for number in (2, 0, 1)]
    (tmp_path / "list").write_text("\n")
    (tmp_path / "print0").write_bytes(b"a[1].wav\0b.wav\0")
    for name, message in (
        ("list", "names no file"), ("no list", "cannot read the list"), ("print0", "zero bytes"),
        (names[2], "zero bytes"),
    ):  # fmt: skip
        assert message in run(*command, tmp_path / name)[2]


def test_names_of_any_bytes_and_lines_are_written(run, make_wav, tmp_path, tiny_model):
    path = make_wav("a.wav")
    odd = [
        os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/\xff.wav", b"/a\nb.wav", b"/" + b"n" * 246 + b".wav")
    ]
    for name in odd:
        shutil.copy(path, name)
    formats = ["--format", "txt", "--format", "json", "--format", "ctm"]
    code, out, err = run("transcribe", *odd, path, "--model", tiny_model, *formats)
    assert code == 0, err
    named = [json.loads(line)["file"] for line in out.splitlines() if line.startswith("{")]
    assert named == [*odd, str(path)]
    assert sum(line.startswith(str(tmp_path)) for line in out.splitlines()) == 4  # one line for each text
    code, _, err = run("transcribe", *odd, path, "--model", tiny_model, *formats, "--output-dir", tmp_path / "o")
    assert code == 0, err
    assert len(list((tmp_path / "o").glob("[!.]*"))) == 12
    again = json.loads((tmp_path / "o" / os.fsdecode(b"\xff.json")).read_text())
    assert again["file"] == odd[0]


@pytest.mark.parametrize(
    ("options", "text"),
    [(("--threads", "-1"), "threads"), (("--device", "mps"), "mps"), (("--device", "meta"), "meta"),
     (("--beam-size", "1000000000000"), "beam size")],
)  # fmt: skip
def test_impossible_options_are_wrong_usage(run, make_wav, tiny_model, options, text):
    code, _, err = run("transcribe", make_wav("a.wav"), "--model", tiny_model, *options)
    assert code == 2
    assert text in err
    assert "Traceback" not in err


def test_more_threads_than_cores_are_not_asked_for(run, make_wav, tiny_model, monkeypatch):
    from asr.backends import open as opening

    asked: list[int] = []
    monkeypatch.setattr(
        "asr.backends.torch_backend.TorchBackend.__init__", lambda *arguments: asked.append(arguments[-1])
    )
    opening.open_backend(tiny_model, backend="torch", threads=100_000)
    assert asked == [os.cpu_count()]


@pytest.mark.skipif(os.name == "nt", reason="there are no signals")
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_sigterm_ends_a_command_as_ctrl_c_does(tmp_path, number, code, jobs):
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    (tmp_path / "tmp").mkdir()
    program = [sys.executable, "-c", "from asr.cli.main import main; main()", "transcribe", pipe]
    program += [tmp_path / "none.wav", "--model", "digits", "--jobs", jobs, "--output", tmp_path / "out.jsonl"]
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    process = subprocess.Popen(
        program, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs of shells ignore it
    )  # fmt: skip
    with pipe.open("wb") as file:  # opened once the program reads
        file.write(b"RIFF")
        file.flush()
        while not list((tmp_path / "tmp").glob("asr-*")):
            time.sleep(0.05)
        process.send_signal(number)
        try:
            _, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == code
    assert err.strip() == "asr: stopped."  # click ends the line of a progress bar
    assert not list((tmp_path / "tmp").glob("asr-*"))
