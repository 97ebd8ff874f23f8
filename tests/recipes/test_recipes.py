from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from asr.acoustic.run import AcousticRunConfig
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

RECIPES = Path(__file__).parents[2] / "recipes"
SCRIPTS = sorted([*RECIPES.glob("*/run.sh"), *RECIPES.glob("*/ladder.sh")])
OTHER_KINDS = {
    "librispeech_lm": LmRunConfig, "wikitext2": LmRunConfig, "trec": ClassifierRunConfig, "sst2": ClassifierRunConfig,
    "imdb": ClassifierRunConfig, "marks": TaggerRunConfig,
}  # fmt: skip
TEXTS: dict[str, tuple[str, dict[str, Any]]] = {  # test part of each recipe of texts, how it is read
    "trec": ("trec/TREC.test.all", {"lines": True, "encoding": "latin-1"}),
    "sst2": ("sst-2/test.tsv", {"text_col": "content"}),
    "imdb": ("imdb/test.tsv.xz", {}),
}
PREDICTIONS = sorted(path for name in TEXTS for path in (RECIPES / name / "hyp").glob("*.txt"))
HYPOTHESES = sorted(RECIPES.glob("*/hyp/*.trn"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.parent.name)
def test_a_recipe_explains_itself_and_refuses_what_it_does_not_know(script):
    relative = script.relative_to(RECIPES.parent)
    said = subprocess.run(["bash", relative, "--help"], cwd=RECIPES.parent, capture_output=True, text=True, check=True)
    assert "--data FOLDER" in said.stdout
    assert subprocess.run(["bash", script, "--nonsense", "1"], capture_output=True).returncode == 2
    assert (script.parent / "RESULTS.md").exists()


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/conf/*.toml")), ids=lambda path: path.parts[-3])
def test_a_recipes_configuration_is_legal(path):
    values = read_toml(path)
    kind = LmRunConfig if path.name == "lm.toml" else OTHER_KINDS.get(path.parts[-3], AcousticRunConfig)
    if values.get("model", {}).get("kind") == GAUSSIAN:
        kind = GaussianRunConfig
    from_dict(kind, values)


def _reference(data: Path, recipe: str, name: str) -> Texts:
    if recipe == "mini_librispeech":
        manifest = import_corpus(data / "LibriSpeech" / name)
    else:
        manifest = keep_where(import_corpus(data / {"digits": "fsdd"}.get(recipe, recipe)), {"split": name})
    return Texts({item.id: normalize_english(item.text or "") for item in manifest.utterances})


@pytest.mark.parametrize("path", HYPOTHESES, ids=lambda path: path.stem)
def test_a_figure_in_results_follows_from_its_committed_hypotheses(data, path):
    system, name = path.stem.rsplit(".", 1)
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


@pytest.mark.parametrize(
    ("given", "expected"), [("corpora", "{here}/corpora"), ("/tmp", "/tmp"), ("nowhere", "nowhere")]
)
def test_a_folder_of_corpora_may_be_given_relative_to_where_the_recipe_is_called(tmp_path, given, expected):
    (tmp_path / "corpora").mkdir()
    program = 'cd "$(dirname "$0")"; . ../stages.sh; echo "$data"'
    script = RECIPES / "digits" / "run.sh"
    arguments = ["bash", "-c", program, script, "--data", given, "--work", tmp_path / "work"]
    shown = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == expected.format(here=tmp_path)
