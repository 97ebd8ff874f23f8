"""The commands and programs of the tutorials run, from top to bottom, and print what the pages say.

A page marked `<!-- runnable -->` runs in an empty folder with a recording talk.flac. Its ```bash and ```python blocks
run one after the other, but for those after a line `<!-- not run: REASON -->`. An ```output block holds lines that the
block before it prints.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in (ROOT / "docs").glob("*.md") if "<!-- runnable -->" in path.read_text())
BLOCK = re.compile(r"(<!-- not run: [^>]*-->\n)?^```(bash|python|output)\n(.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """A program of a page, and the lines that it is to print."""

    language: str
    text: str
    output: list[str]


def blocks_of(page: str) -> list[Block]:
    """The programs of a page that are to run."""
    found: list[Block] = []
    skipped = False
    for excuse, language, text in BLOCK.findall(page):
        if language == "output":
            assert found, "an output block without a program before it"
            assert not skipped, "an output block after a program that does not run"
            found[-1].output.extend(text.splitlines())
        else:
            skipped = bool(excuse)
            if not skipped:
                found.append(Block(language, text, []))
    return found


def as_words(line: str) -> str:
    """A line without capitals and marks, which depend on whether the model has a tagger."""
    return " ".join(re.sub(r"[^\w\s]", " ", line.lower()).split())


def test_blocks_are_read_as_they_are_marked():
    page = "<!-- not run: x -->\n```bash\nfalse\n```\nx\n```python\nprint(1)\n```\n\n```output\n1\n```\n```json\n?\n```"
    assert blocks_of(page) == [Block("python", "print(1)\n", ["1"])]


def test_the_tutorials_are_runnable():
    expected = {"transcribe", "subtitles", "compare", "ctc-decoder", "language-models", "forecast", "classify"}
    assert {path.stem for path in PAGES} >= expected


@pytest.fixture
def environment(tmp_path):
    """The variables with which `asr` and `python` are those of this test."""
    scripts = tmp_path / "bin"
    scripts.mkdir()
    for name, arguments in (("asr", "-m asr "), ("python", "")):
        (scripts / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        (scripts / name).chmod(0o755)
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {
        "PYTHONPATH": search,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.timeout(1800)  # seconds of CPU in all; more where the machine is shared
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_what_a_page_shows_runs(page, environment, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    shutil.copy(ROOT / "tests" / "speech" / "hello.flac", folder / "talk.flac")
    blocks = blocks_of(page.read_text())
    assert blocks
    for block in blocks:
        command = (
            ["bash", "-euo", "pipefail", "-c", block.text] if block.language == "bash" else ["python", "-c", block.text]
        )
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, f"{block.text}\n{result.stderr[-3000:]}"
        printed = [as_words(line) for line in result.stdout.splitlines()]
        missing = [line for line in block.output if as_words(line) not in printed]
        assert missing == [], f"{block.text}\nprinted {printed}"
