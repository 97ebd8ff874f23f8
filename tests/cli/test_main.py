from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from asr.cli.main import COMMANDS, called_command, cli, describe, every_command
from asr.errors import DataError

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("names", [names for names, _ in every_command()], ids=" ".join)
def test_the_innermost_command_of_the_arguments_is_recognised(names):
    assert called_command([*names, "file", "--option", "3"]) is dict(every_command())[names]


def test_a_parameter_in_a_message_becomes_the_option_of_the_command():
    error = DataError("no column 'x'; name it with `text_col`, see `asr nlp text` or `nothing`.")
    train = called_command(["nlp", "train"])
    assert describe(error, train) == "no column 'x'; name it with --text-col, see `asr nlp text` or `nothing`."
    assert describe(error, cli) == str(error)


def test_messages_of_the_library_name_options_on_the_command_line(run, tmp_path):
    (tmp_path / "table.csv").write_text("words,label\ngood film,1\n")
    code, _, err = run("nlp", "train", tmp_path / "table.csv", "--label-col", "label", "--output", tmp_path / "out")
    assert code == 1
    assert "Name it with --text-col." in err


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["trin"], "train"),
        (["data", "imprt"], "import"),
        (["score", "a", "b", "--jsn"], "--json"),
        (["lm", "ngrm"], "ngram"),
    ],
)
def test_an_unknown_command_or_option_suggests_the_nearest(run, arguments, nearest):
    code, _, err = run(*arguments)
    assert code == 2
    assert f"Did you mean '{nearest}'?" in err


@pytest.mark.parametrize("names", [names for names, _ in every_command()], ids=" ".join)
def test_help_has_an_example_and_explains_every_option(names):
    command = dict(every_command())[names]
    assert command.help is not None
    assert f"asr {' '.join(names)}" in command.help, "no example"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert len((parameter.help or "").split()) >= 2, parameter.name


@pytest.mark.parametrize("group", [name for name in COMMANDS if isinstance(called_command([name]), click.Group)])
def test_lists_of_commands_show_whole_sentences(run, group):
    code, out, _ = run(group, "--help")
    assert code == 0
    assert "..." not in out.partition("Commands:")[2]


def test_the_device_of_this_machine_is_printed_for_scripts(run):
    import torch

    assert run("--show-device") == (0, "cuda\n" if torch.cuda.is_available() else "cpu\n", "")


def test_recipes_call_no_other_python_program():
    """What a recipe does, a user can type: `asr` commands and the shell's own tools."""
    scripts = [*RECIPES.glob("*/*.sh"), RECIPES / "stages.sh"]
    assert len(scripts) > 10
    assert [str(path) for path in scripts if re.search(r"\bpython3?\b", path.read_text())] == []
