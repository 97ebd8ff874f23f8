from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asr.acoustic.run import AcousticRunConfig
from asr.activity.run import ActivityRunConfig
from asr.config import from_dict, read_toml
from asr.data.importers import import_corpus, keep_where
from asr.gmm.config import GAUSSIAN
from asr.gmm.run import GaussianRunConfig
from asr.lm.lstm.run import LmRunConfig
from asr.nlp.run import ClassifierRunConfig
from asr.nlp.table import read_table
from asr.nlp.tagging.run import TaggerRunConfig
from asr.score.report import score_system
from asr.score.text_files import Texts, read_texts
from asr.text.normalize import normalize_english
from asr.unpacking import unpacked_name

RECIPES = Path(__file__).parents[2] / "recipes"
SCRIPTS = sorted([*RECIPES.glob("*/run.sh"), *RECIPES.glob("*/ladder.sh")])
OTHER_KINDS = {
    "librispeech_lm": LmRunConfig, "wikitext2": LmRunConfig, "trec": ClassifierRunConfig, "sst2": ClassifierRunConfig,
    "imdb": ClassifierRunConfig, "marks": TaggerRunConfig, "vad": ActivityRunConfig,
}  # fmt: skip
TEXTS: dict[str, tuple[str, dict[str, Any]]] = {  # test part of each recipe of texts, how it is read
    "trec": ("trec/TREC.test.all", {"lines": True, "encoding": "latin-1"}),
    "sst2": ("sst-2/test.tsv", {"text_col": "content"}),
    "imdb": ("imdb/test.tsv.xz", {}),
}
PREDICTIONS = sorted(path for name in TEXTS for path in (RECIPES / name / "hyp").glob("*.txt"))
HYPOTHESES = sorted(RECIPES.glob("*/hyp/*.trn*"))  # the larger ones are packed


def _called(script: Path, *arguments: object, folder: Path = RECIPES.parent) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", str(script), *map(str, arguments)], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.parent.name)
def test_a_recipe_explains_itself_and_refuses_what_it_does_not_know(script):
    said = _called(script.relative_to(RECIPES.parent), "--help")
    assert said.returncode == 0
    assert "--data FOLDER" in said.stdout
    assert _called(script, "--nonsense", "1").returncode == 2
    assert (script.parent / "RESULTS.md").exists()


@pytest.mark.parametrize("script", sorted(RECIPES.glob("*/run.sh")), ids=lambda path: path.parent.name)
def test_help_tells_the_stages_that_there_are(script):
    stages = sorted({int(number) for number in re.findall(r"\bat (\d) ", script.read_text())})
    said = _called(script, "--help").stdout
    assert [int(number) for number in re.findall(r"^  stage (\d): ", said, re.M)] == stages
    first, last = re.search(r"\[--stage (\d)\]\s+\[--stop-stage (\d)\]", said).groups()
    assert (int(first), int(last)) == (stages[0], stages[-1])
    assert "$" not in said


DOWNLOADING = {"an4", "librispeech"}  # without --data these start to download


@pytest.mark.parametrize(
    "script",
    [script for script in sorted(RECIPES.glob("*/run.sh")) if script.parent.name not in DOWNLOADING],
    ids=lambda path: path.parent.name,
)
def test_a_recipe_without_its_data_says_what_to_get_and_where_it_looked(script, tmp_path):
    relative = os.path.relpath(script, tmp_path)
    without = _called(Path(relative), "--stage", "1", folder=tmp_path)
    assert without.returncode == 1
    assert re.match(rf"{re.escape(relative)}: needs .*: .+\n", without.stderr), without.stderr
    elsewhere = _called(Path(relative), "--stage", "1", "--data", "nowhere", folder=tmp_path)
    assert elsewhere.returncode == 1
    assert f"needs {tmp_path}/nowhere/" in elsewhere.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/conf/*.toml")), ids=lambda path: path.parts[-3])
def test_a_recipes_configuration_is_legal(path):
    values = read_toml(path)
    kind = LmRunConfig if path.name == "lm.toml" else OTHER_KINDS.get(path.parts[-3], AcousticRunConfig)
    if values.get("model", {}).get("kind") == GAUSSIAN:
        kind = GaussianRunConfig
    if values.get("augment", {}).get("recorded_probability"):
        values["augment"]["noise_folder"] = "noise"  # as run.sh gives it
    from_dict(kind, values)


def _reference(data: Path, recipe: str, name: str) -> Texts:
    if recipe == "mini_librispeech":
        manifest = import_corpus(data / "LibriSpeech" / name)
    else:
        manifest = keep_where(import_corpus(data / {"digits": "fsdd"}.get(recipe, recipe)), {"split": name})
    return Texts({item.id: normalize_english(item.text or "") for item in manifest.utterances})


@pytest.mark.parametrize("path", HYPOTHESES, ids=lambda path: path.stem)
def test_a_figure_in_results_follows_from_its_committed_hypotheses(data, path):
    system, name = unpacked_name(path).stem.rsplit(".", 1)
    reference = _reference(data, path.parts[-3], name)
    hypothesis = read_texts(path)
    assert set(hypothesis.texts) == set(reference.texts)
    figure = f"{score_system(reference, hypothesis).words.rate:.2%}"
    rows = [line for line in (path.parents[1] / "RESULTS.md").read_text().splitlines() if f"`{system}`" in line]
    assert any(name in row and figure in row for row in rows), f"{system} on {name} has {figure}"


@pytest.mark.parametrize("path", PREDICTIONS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_an_accuracy_in_results_follows_from_its_committed_predictions(data, path):
    name, options = TEXTS[path.parts[-3]]
    table = read_table(data / "text" / name, **options)
    found = path.read_text().split()
    right = sum(left == right for left, right in zip(found, table.labelled, strict=True))
    rows = (path.parents[1] / "RESULTS.md").read_text().splitlines()
    system = path.stem.removesuffix(".test")
    assert any(f"`{system}`" in row and f"{right / len(found):.2%}" in row for row in rows), right / len(found)


OPTIONS_AS_READ = """cd "$(dirname "$0")"
data= work= text= neural_lm= model=
. ../stages.sh
echo "$data|$work|$text|$neural_lm|$model"
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data", "corpora", "--work", "made/here"], "{here}/corpora|{here}/made/here|||"),
        (["--data", "/tmp", "--work", "/tmp/exp"], "/tmp|/tmp/exp|||"),
        (["--data", "nowhere"], "{here}/nowhere|exp|||"),
        (["--text", "conf", "--neural-lm", "none", "--model", "english"], "|exp|conf|none|english"),
        (["--neural-lm", "corpora", "--model", "corpora"], "|exp||{here}/corpora|{here}/corpora"),
    ],
)
def test_paths_are_relative_to_where_the_recipe_is_called(tmp_path, arguments, expected):
    (tmp_path / "corpora").mkdir()
    program = ["bash", "-c", OPTIONS_AS_READ, RECIPES / "digits" / "run.sh", *arguments]
    shown = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == expected.format(here=tmp_path)


def test_the_first_stage_of_a_recipe_runs_from_another_folder_with_relative_paths(data, tmp_path):
    (tmp_path / "corpora").symlink_to(data)
    scripts = tmp_path / "bin"
    scripts.mkdir()
    (scripts / "asr").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m asr "$@"\n')
    (scripts / "asr").chmod(0o755)
    search = os.pathsep.join(filter(None, [str(RECIPES.parent), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": search, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    options = ["--data", "corpora", "--work", "out", "--stage", "1", "--stop-stage", "1"]
    subprocess.run(["bash", RECIPES / "digits" / "run.sh", *options], cwd=tmp_path, env=environment, check=True)
    assert len((tmp_path / "out" / "test.jsonl").read_text().splitlines()) == 300
