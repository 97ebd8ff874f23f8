"""`--json`, `--quiet`, `--device` and `--threads`: every command has each of them, or a reason here not to."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from asr.cli.main import every_command

TEXT_OUT = "prints formats, JSON among them, by --format"
PLAIN = "no network runs"
SMALL = "small networks, which one core trains fastest (asr.forecast.recurrent fixes it)"
OWN_CODE = "an LSTM is read by the library's own code, on one core; --running runs torch on all"
ONE_FILE = "a single small input"
WITHOUT = {
    "--quiet": {},
    "--json": {"transcribe": TEXT_OUT, "align": TEXT_OUT, "serve": "answers requests until it is stopped"},
    "--device": {
        "score": PLAIN, "tokens": PLAIN, "data": PLAIN, "nlp text": PLAIN, "checkpoint": PLAIN, "lm ngram": PLAIN,
        "lm text": PLAIN, "lm convert": PLAIN, "lm pack": PLAIN, "lm score": OWN_CODE, "lm interpolate": OWN_CODE,
        "lm sample": OWN_CODE,
        "nlp tag apply": OWN_CODE, "nlp tag evaluate": OWN_CODE, "vad apply": OWN_CODE, "features": ONE_FILE,
        "inspect": ONE_FILE, "forecast": SMALL,
    },
}  # fmt: skip
WITHOUT["--threads"] = WITHOUT["--device"]
COMMANDS = {" ".join(names): command for names, command in every_command()}
OTHERWISE = {"tokens spell"}  # has what other commands of its group have not


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def reason(option: str, name: str) -> str | None:
    """Why a command, or all of its group, has no such option."""
    own = WITHOUT[option].get(name)
    return own if own or name in OTHERWISE else WITHOUT[option].get(name.split()[0])


@pytest.mark.parametrize("option", WITHOUT)
def test_every_command_has_the_option_or_a_reason(option):
    wrong = {
        name: "lacks it" if option not in options_of(command) else "has it, against the reason"
        for name, command in COMMANDS.items()
        if (option in options_of(command)) == (reason(option, name) is not None)
    }
    assert wrong == {}


def test_reasons_are_of_commands_that_there_are():
    known = {*COMMANDS, *(name.split()[0] for name in COMMANDS)}
    assert [name for reasons in WITHOUT.values() for name in reasons if name not in known] == []


@pytest.mark.parametrize("option", ["--json", "--quiet"])
def test_one_decorator_makes_the_option_everywhere(option):
    """Its kind, and that it takes no value, are the same in all commands."""
    made = [p for command in COMMANDS.values() for p in command.params if option in p.opts]
    assert made
    assert {(p.opts[0], p.name, p.is_flag, p.expose_value) for p in made} == {
        (option, "as_json" if option == "--json" else "quiet", True, option == "--json")
    }


def test_quiet_leaves_errors_and_json_alone(run, tmp_path):
    (tmp_path / "t.txt").write_text("a b\n")
    words = ["tokens", "words", tmp_path / "t.txt", "--output", tmp_path / "w.txt"]
    assert "2 words" in run(*words)[2]
    assert run(*words, "--quiet") == (0, "", "")
    code, out, err = run(*words, "--quiet", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"output": str(tmp_path / "w.txt"), "words": 2, "coverage": 1.0}
    code, out, err = run("tokens", "words", tmp_path / "none.txt", "--output", tmp_path / "w.txt", "--quiet")
    assert (code, out) == (1, "")
    assert "does not exist" in err
    assert "2 words" in run(*words)[2], "quiet was for one command only"


def test_quiet_leaves_warnings_alone(run, tmp_path, make_wav):
    rows = [{"id": path, "audio_filepath": str(path), "duration": 1} for path in (make_wav("a.wav").name, "none.wav")]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, err = run("data", "check", tmp_path / "m.jsonl", "--quiet", "--json")
    assert code == 1
    assert "none.wav" in err
    values = json.loads(out)
    assert values["good"] == 1
    assert ["none.wav" in item["item"] + item["reason"] for item in values["bad"]] == [True]


def test_training_options_become_keys():
    from asr.cli.shared_options import training_options

    @click.command()
    @training_options(lambda: dict)
    def command(overrides: list[str], output: Path, resume: bool, config_path: Path | None, as_json: bool) -> None:
        assert (output, resume, config_path, as_json) == (Path("model"), False, None, False)
        click.echo(" ".join(overrides))

    def printed(*arguments: str) -> str:
        from click.testing import CliRunner

        return CliRunner().invoke(command, ["--output", "model", *arguments]).output.strip()

    assert printed() == ""
    assert printed("--set", "a=1", "--device", "cpu", "--threads", "0") == "a=1 train.device=cpu train.threads=0"
