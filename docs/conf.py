"""How Sphinx builds the site: `sphinx-build -W docs build/docs`, after `pip install '.[docs]'`."""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "asr"
author = "the developers of asr"
copyright = "Apache-2.0"
release = version = installed_version("lstm-asr")

extensions = ["myst_parser", "sphinx.ext.autodoc", "command_reference", "data_flow"]
exclude_patterns = ["extensions"]
myst_enable_extensions = ["deflist"]
suppress_warnings = ["misc.highlighting_failure"]  # JSON that is abbreviated by an ellipsis
myst_heading_anchors = 3
default_role = "code"  # docstrings write `names` in single backquotes
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"asr {release}"
html_copy_source = False


def name_files_outside(_: object, __: str, source: list[str]) -> None:
    """Write links to files of the repository that are no pages as their paths: the site does not have them."""
    source[0] = re.sub(r"\[([^\]]+)\]\(\.\./([^)\s]+)\)", r"\1 (`\2`)", source[0])


def setup(app: object) -> None:
    """Called by Sphinx."""
    app.connect("source-read", name_files_outside)  # type: ignore[attr-defined]
