"""What a release needs: one version, a citation, model cards that hubs can read, a workflow for each Python."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import asr

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CARDS = sorted([*ROOT.glob("asr/models/**/README.md"), *ROOT.glob("recipes/*/conf/card.md")])
yaml = pytest.importorskip("yaml", reason="needs the extra docs: pip install '.[docs]'")


def test_the_version_is_written_in_one_place():
    assert asr.__version__ == version("lstm-asr")
    written = re.compile(rf"""version.{{0,5}}["']{re.escape(PROJECT["version"])}["']""")
    assert [path for path in ROOT.glob("asr/**/*.py") if written.search(path.read_text())] == []


def test_the_citation_has_what_the_format_requires():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["license"] == PROJECT["license"]
    assert "version" not in citation, "the version is written in pyproject.toml alone"


@pytest.mark.parametrize("path", CARDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_model_card_begins_with_what_hubs_read(path):
    _, front, text = path.read_text().split("---\n", 2)
    values = yaml.safe_load(front)
    assert values["language"] == "en"
    assert values["license"] == "apache-2.0"
    kinds = ("automatic-speech-recognition", "text-generation", "token-classification", "voice-activity-detection")
    assert values["pipeline_tag"] in kinds
    assert values["datasets"]
    assert values["metrics"] in (["wer"], ["perplexity"], ["f1"], ["roc_auc"])
    assert text.lstrip().startswith("# ")
    for dataset in values["datasets"]:
        assert dataset.split()[-1] in text, f"{dataset} is not in the card's text"


def test_every_shipped_model_has_a_card():
    for name in asr.available_models():
        assert (ROOT / "asr" / "models" / name / "README.md").exists(), name


def test_the_workflow_runs_on_every_python_that_is_supported():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "gate.yml").read_text())
    assert workflow["jobs"]["gate"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == ">=3.11"


def test_no_page_or_message_installs_the_name_from_an_index():
    """Whoever registers the name there would be installed."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*")]
    for path in [*pages, *ROOT.glob("asr/**/*.py")]:
        text = path.read_text()
        assert not re.search(r"""pip install ["']?lstm-asr(\[\w+\])?["']?(?! *@)(\s|$|[`"'])""", text), path


def test_every_extra_is_explained():
    text = (ROOT / "docs" / "install.md").read_text()
    explained = set(re.findall(r"'\.\[(\w+)\]'", text))
    assert explained >= set(PROJECT["optional-dependencies"]) - {"test"}
