"""Every cell of the notebooks runs, in order, from the folder that they lie in; they are committed without outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# What each must print, by a part of it.
PRINTS = {
    "transcribe": [
        "and said that he had never seen such a beautiful", "00:00:0", "blank is the likeliest token of",
        "mean of the forget gates 0.",
    ],
    "compare": [
        "monophone  7 of 300 wrong", "bilstm     1 of 300 wrong", "better in 7 utterances, worse in 1: p = 0.069",
    ],
    "forecast": [
        "MASE", "recommended: ", "by a backtest from 3 origins", "mean error against what made the sales: ",
    ],
}  # fmt: skip


def cells_of(path: Path) -> list[dict]:
    notebook = json.loads(path.read_text())
    assert notebook["nbformat"] == 4
    return notebook["cells"]


def source_of(cell: dict) -> str:
    return "".join(cell["source"])


def test_each_notebook_is_listed_and_checked():
    page = (FOLDER.parent / "notebooks.md").read_text()
    assert {path.stem for path in NOTEBOOKS} == set(PRINTS)
    for path in NOTEBOOKS:
        title = source_of(cells_of(path)[0]).splitlines()[0].removeprefix("# ")
        assert f"[{title}](notebooks/{path.name})" in page


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_outputs(path):
    for cell in cells_of(path):
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_cells_run(path):
    program = "\n\n".join(source_of(cell) for cell in cells_of(path) if cell["cell_type"] == "code")
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": search, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=FOLDER, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    for part in PRINTS[path.stem]:
        assert part in result.stdout, f"{part!r} is not in\n{result.stdout}"
