"""Names that an option takes stand in its help: nobody has to guess one to read them in an error."""

from __future__ import annotations

import re

import pytest

from asr.audio.sounds import KINDS as SOUNDS
from asr.cli.main import every_command
from asr.cli.speech.evaluate import SETS
from asr.data.download import ARCHIVES
from asr.forecast import choose, panel, windows
from asr.nlp.model import POOLINGS
from asr.nn import KINDS
from asr.recognizer.transcript import FORMATS


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("forecast compare", choose.names()),
        ("forecast backtest", choose.names()),
        ("forecast fit", choose.names()),
        ("forecast predict", choose.names()),
        ("forecast windows", windows.METHODS),
        ("forecast many", panel.METHODS),
        ("inspect gradients", KINDS),
        ("inspect memory", KINDS),
        ("nlp train", (*KINDS, *POOLINGS)),
        ("evaluate", SETS),
        ("data sounds", SOUNDS),
        ("data import", ("librispeech", "manifest", "nemo", "csv", "kaldi", "an4", "fsdd", "sounds")),
        ("data download", ARCHIVES),
        ("features", ("fbank", "mfcc", "kaldi", "librosa", "none", "utterance", "level", "running", "speech")),
        ("transcribe", FORMATS),
    ],
)
def test_help_lists_the_names_of_methods_and_kinds(run, command, names):
    code, out, _ = run(*command.split(), "--help")
    assert code == 0
    listed = set(re.findall(r"[\w-]+", re.sub(r"-\s*\n\s*", "-", out)))
    assert set(names) <= listed


@pytest.mark.parametrize(
    ("names", "command"), every_command(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_option_has_a_help_text_and_every_command_an_example(names, command):
    assert [option.name for option in command.params if option.param_type_name == "option" and not option.help] == []
    assert "Example" in command.help


def test_options_of_transcribe_stand_in_sections(run):
    from asr.cli.speech.transcribe import GROUPS

    code, out, _ = run("transcribe", "--help")
    assert code == 0
    titles = re.findall(r"^(\w[\w ]*):$", out, re.M)
    assert [title for title in titles if title in GROUPS] == list(GROUPS)
    sections = dict(zip(titles, re.split(r"^\w[\w ]*:$", out, flags=re.M)[1:], strict=True))
    shown = {title: set(re.findall(r"^  (--[\w-]+)", sections[title], re.M)) for title in GROUPS}
    assert {"--lm", "--neural-lm"} <= shown["Language model"]
    assert {"--format", "--output-dir"} <= shown["Output"]
    assert {"--device", "--threads"} <= shown["Running"]
    assert "--hotword" in shown["Recognition"]


def test_an_option_that_no_group_names_is_shown_in_the_first():
    import click

    from asr.cli.option_groups import GroupedCommand

    command = GroupedCommand("x", params=[click.Option(["--new"], help="n")], groups={"A": (), "B": ()})
    text = command.get_help(click.Context(command))
    assert text.index("A:") < text.index("--new") < text.index("B:") < text.index("--help")
