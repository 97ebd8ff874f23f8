"""The site builds without a warning: no broken link, no unknown name, every command and option described."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import asr
from asr.cli.main import every_command

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    pytest.importorskip("sphinx", reason="needs the extra docs: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-d",
        folder / "trees",
        DOCS,
        folder / "html",
    ]
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return folder / "html"


def test_the_site_builds_without_warnings_and_has_every_page(site):
    assert {path.stem for path in site.glob("*.html")} >= {path.stem for path in PAGES}


def test_links_within_the_site_lead_somewhere(site):
    html = {path.name: path.read_text() for path in site.glob("*.html") if path.stem in {page.stem for page in PAGES}}
    for name, text in html.items():
        for target, anchor in re.findall(r'<a class="reference internal" href="([^"#]*)(?:#([^"]*))?"', text):
            file = target or name
            assert (site / file).exists(), f"{name} links to {file}"
            if anchor:
                assert f'id="{anchor}"' in html.get(file, (site / file).read_text()), f"{name} links to {file}#{anchor}"


def test_every_command_and_option_is_in_the_reference(site):
    text = (site / "commands.html").read_text()
    for names, command in every_command():
        assert f'id="asr-{"-".join(names)}"' in text, names
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else []:
                assert option in text, (names, option)


def test_the_reference_has_every_public_name_with_a_docstring(site):
    text = (site / "api.html").read_text()
    for name in asr.__all__:
        assert name in text, name
        if name != "__version__":
            assert getattr(asr, name).__doc__, name


def test_pictures_name_modules_that_exist(site):
    assert (site / "architecture.html").read_text().count("<svg viewBox") == 3
    blocks = re.findall(r"```\{data-flow\}.*?\n(.*?)```", (DOCS / "architecture.md").read_text(), re.S)
    places = [line.split("|")[2].strip() for block in blocks for line in block.splitlines() if line.strip()]
    assert len(places) > 20
    assert [place for place in places if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda path: path.name)
def test_relative_links_of_a_page_exist_in_the_repository(page):
    links = re.findall(r"\]\((?!https?:|mailto:)([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_pages_name_only_files_of_the_repository_that_exist():
    missing = []
    for page in [ROOT / "README.md", *PAGES]:
        for name in re.findall(r"\b(?:recipes|tools|examples|tests)/[\w./*-]*\w", page.read_text()):
            if not list(ROOT.glob(name)):
                missing.append((page.name, name))
    assert missing == []
