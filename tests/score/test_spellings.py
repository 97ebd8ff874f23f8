from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from asr.cli.speech.score import command
from asr.errors import TextError
from asr.score.spellings import Spellings


@pytest.fixture
def spellings(tmp_path):
    path = tmp_path / "spellings.txt"
    path.write_text("colour color\n# two words or one\nall right\talright\n\ngrey gray  # a colour\nany one\tanyone\n")
    return path


def test_equal_spellings_become_the_first_of_their_line(spellings):
    unified = Spellings.read(spellings).unified
    assert unified("the color gray is alright") == "the colour grey is all right"
    assert unified("any one") == unified("anyone") == "any one"
    assert unified("any") == "any"
    assert unified("") == ""


def test_the_longest_spelling_counts():
    unified = Spellings([["a", "b"], ["b c d", "x"], ["b c", "y"]]).unified
    assert unified("b c d b c b") == "b c d b c a"


@pytest.mark.parametrize(("text", "match"), [("colour color\ngray color\n", "color' is repeated"), ("a\n", "line 1")])
def test_lines_that_cannot_be_are_named(tmp_path, text, match):
    path = tmp_path / "wrong.txt"
    path.write_text(text)
    with pytest.raises(TextError, match=match):
        Spellings.read(path)


def test_asr_score_counts_equal_spellings_as_right(tmp_path, spellings):
    (tmp_path / "ref.txt").write_text("a the colour of anyone\nb is grey\n")
    (tmp_path / "hyp.txt").write_text("a the color of any one\nb is great\n")
    arguments = [str(tmp_path / "ref.txt"), str(tmp_path / "hyp.txt"), "--json"]
    plain = json.loads(CliRunner().invoke(command, arguments).stdout)
    equal = json.loads(CliRunner().invoke(command, [*arguments, "--spellings", str(spellings)]).stdout)
    assert (plain["substitutions"], plain["insertions"]) == (3, 1)
    assert (equal["substitutions"], equal["insertions"], equal["words"]) == (1, 0, 7)
