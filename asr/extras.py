"""Optional packages: imported where they are needed, or named with the command that installs them."""

from __future__ import annotations

import importlib
import json
from types import ModuleType
from typing import TYPE_CHECKING

from asr.errors import MissingPackageError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DISTRIBUTION = "lstm-asr"
TRAIN_MODULES = frozenset({"torch", "torchaudio", "numba", "scipy", "sklearn", "kenlm", "librosa", "onnx"})


def require(extra: str, module: str, purpose: str) -> ModuleType:
    """The imported `module`, which belongs to the optional dependencies `extra`.

    purpose: what needs it, the subject of a plural sentence such as "pictures".
    Raises MissingPackageError, with the command that installs it, if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top_level = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top_level:
            raise  # the package is there; something that it needs is not
        raise MissingPackageError(f"{purpose} need {top_level}; install it with: {install_command(extra)}") from None


def explained(error: ModuleNotFoundError, purpose: str) -> MissingPackageError | None:
    """The error that names the missing package and how to install it, or None if the extra `train` does not have it.

    purpose: what needs the package, the subject of a singular sentence such as "this command".
    """
    top_level = (error.name or "").partition(".")[0]
    if top_level not in TRAIN_MODULES:
        return None
    return MissingPackageError(f"{purpose} needs {top_level}; install it with: {install_command('train')}")


def install_command(extra: str) -> str:
    """The pip command that adds the optional dependencies `extra` to this installation.

    The distribution is on no package index under its name, so the command names the folder or repository that it was
    installed from (recorded by pip, PEP 610), or else the packages of the extra themselves.
    """
    from importlib.metadata import PackageNotFoundError, distribution  # a tenth of a second with what it imports
    from urllib.parse import unquote

    try:
        installed = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return f"pip install '.[{extra}]' (in the folder that holds pyproject.toml)"
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    url = str(origin.get("url", ""))
    if "dir_info" in origin and url.startswith("file://"):
        return f"pip install '.[{extra}]' (in {unquote(url.removeprefix('file://'))})"
    if "vcs_info" in origin:
        return f"pip install '{DISTRIBUTION}[{extra}] @ {origin['vcs_info'].get('vcs', 'git')}+{url}'"
    packages = _packages(installed, extra)
    return "pip install " + " ".join(f"'{package}'" for package in packages)


def _packages(installed: Distribution, extra: str) -> list[str]:
    """The requirements that an extra adds, such as `av<20,>=14`."""
    requirements = (line.partition(";") for line in installed.requires or [])
    mark = f'extra == "{extra}"'
    return [package.strip() for package, _, condition in requirements if mark in condition.replace("'", '"')]
