from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from asr import extras
from asr.errors import MissingPackageError


class _Installed:
    """A distribution as `importlib.metadata` describes it, installed from `origin` (the content of direct_url.json)."""

    requires = ["numpy>=1.26", 'av<20,>=14; extra == "av"', "matplotlib<4 ; extra == 'plot'"]  # noqa: RUF012

    def __init__(self, origin: dict | None) -> None:
        self._origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self._origin is None else json.dumps(self._origin)


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        ({"url": "file:///home/me/asr", "dir_info": {"editable": True}}, "pip install '.[av]' (in /home/me/asr)"),
        (
            {"url": "https://forge.example/asr.git", "vcs_info": {"vcs": "git", "commit_id": "1"}},
            "pip install 'lstm-asr[av] @ git+https://forge.example/asr.git'",
        ),
        ({"url": "file:///tmp/lstm_asr-0.1.0-py3-none-any.whl", "archive_info": {}}, "pip install 'av<20,>=14'"),
        (None, "pip install 'av<20,>=14'"),
    ],
)
def test_the_install_command_fits_how_the_package_was_installed(monkeypatch, origin, command):
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: _Installed(origin))
    assert extras.install_command("av") == command


def test_every_extra_that_a_message_names_is_declared():
    """The command for an undeclared extra would install nothing."""
    root = Path(__file__).parents[1]
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        name
        for path in (root / "asr").rglob("*.py")
        for name in re.findall(r"(?:require|install_command)\(\s*[\"'](\w+)[\"']", path.read_text())
    }
    assert {"av", "plot", "subwords", "forecast", "train"} <= named <= set(declared)


def test_a_missing_package_is_one_sentence_with_the_command_that_installs_it():
    assert extras.require("plot", "json.decoder", "pictures") is json.decoder
    with pytest.raises(MissingPackageError, match=r"^pictures need no_such_package; install it with: pip install '.*"):
        extras.require("plot", "no_such_package.figure", "pictures")


def test_a_package_that_lacks_one_of_its_own_is_not_called_missing(tmp_path):
    (tmp_path / "half_there.py").write_text("import no_such_package\n")
    program = "from asr.extras import require\nrequire('plot', 'half_there', 'pictures')"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert "ModuleNotFoundError: No module named 'no_such_package'" in result.stderr


def test_a_module_of_the_training_extra_is_explained_and_no_other():
    error = extras.explained(ModuleNotFoundError("no", name="torch.nn"), "this command")
    assert str(error).startswith("this command needs torch; install it with: pip install ")
    assert extras.explained(ModuleNotFoundError("no", name="tomllib"), "this command") is None


def test_the_modules_of_the_training_extra_are_those_it_installs():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in project["optional-dependencies"]["train"]}
    assert {"sklearn" if name == "scikit-learn" else name for name in names} == extras.TRAIN_MODULES
    base = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]}
    assert not names & base
