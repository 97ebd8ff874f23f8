"""The whole public surface, pinned: a change of a name or a signature here is a change for users."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import asr

PINNED = Path(__file__).parent / "public_surface.txt"


def described() -> list[str]:
    """Every public name with its signature, and every public member of the public classes."""
    lines = []
    for name in asr.__all__:
        value = getattr(asr, name)
        if inspect.isclass(value):
            bases = [base.__name__ for base in value.__bases__ if base is not object]
            lines.append(f"class {name}({', '.join(bases)})" if bases else f"class {name}{_signature(value)}")
            lines += [f"    {line}" for line in _members(value)]
        elif callable(value):
            lines.append(f"{name}{_signature(value)}")
        else:
            lines.append(f"{name}: {type(value).__name__}")
    return lines


def _signature(value: object) -> str:
    return str(inspect.signature(value)).replace("'", "")


def _members(owner: type) -> list[str]:
    lines = []
    for name in sorted(name for name in vars(owner) if not name.startswith("_")):
        raw = vars(owner)[name]
        if isinstance(raw, classmethod):
            lines.append(f"classmethod {name}{_signature(getattr(owner, name))}")
        elif inspect.isfunction(raw):
            lines.append(f"{name}{_signature(raw)}")
        elif isinstance(raw, property):
            lines.append(f"property {name} -> {inspect.signature(raw.fget).return_annotation}".replace("'", ""))
    return lines


def test_the_public_surface_is_as_pinned():
    assert described() == PINNED.read_text().splitlines(), (
        f"if this is meant, write it to {PINNED}, and to CHANGELOG.md"
    )


def test_names_are_found_by_dir_and_by_star_import():
    assert dir(asr) == asr.__all__
    assert asr.__all__ == sorted(asr.__all__)
    names: dict[str, object] = {}
    exec("from asr import *", names)
    assert set(asr.__all__) <= set(names)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = asr.Nothing
    assert asr.__version__.count(".") == 2


def test_every_public_name_says_what_it_is():
    for name in asr.__all__:
        value = getattr(asr, name)
        if callable(value):
            assert inspect.getdoc(value), name
            for member, raw in vars(value).items() if inspect.isclass(value) else ():
                if not member.startswith("_") and (inspect.isfunction(raw) or isinstance(raw, classmethod | property)):
                    assert inspect.getdoc(raw), f"{name}.{member}"


def test_importing_the_package_is_light():
    code = (
        "import sys, asr; dir(asr); "
        "assert not {'numpy', 'torch', 'soundfile', 'click', 'jiwer', 'asr.errors'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_recognition_needs_nothing_of_training():
    code = (
        "import sys\nfrom asr import Aligner, CtcDecoder, Recognizer, Transcript, load_audio\nRecognizer.load\n"
        "wrong = [name for name in sys.modules if name.split('.')[0] in ('jiwer', 'scipy', 'sklearn', 'torch')\n"
        "         or name.startswith(('asr.train', 'asr.acoustic.criteria', 'asr.data'))]\n"
        "assert not wrong, wrong"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_recognition_runs_without_torch_and_the_packages_of_training():
    speech = Path(__file__).parent / "speech" / "hello.flac"
    code = (
        "import sys\n"
        "for name in ('torch', 'torchaudio', 'numba', 'jiwer', 'scipy', 'sklearn', 'librosa', 'kenlm'):\n"
        "    sys.modules[name] = None\n"
        "from asr import Aligner, CtcDecoder, Recognizer\n"
        f"print(Recognizer.load('digits').transcribe({str(speech)!r}).duration)\n"
        f"print(Aligner.load('digits').align({str(speech)!r}, 'one two').text)\n"
        "print(CtcDecoder(['', 'a']).decode([[0.1, 0.9]]).text)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines() == ["5.525", "one two", "a"], result.stderr


def test_types_are_there_for_the_users_of_the_package(tmp_path):
    """`py.typed` lies in the package, and mypy sees the types of the lazily imported names."""
    assert (Path(asr.__file__).parent / "py.typed").exists()
    (tmp_path / "user.py").write_text(
        "import asr, numpy as np\n"
        "from asr import CtcDecoder, Recognizer; from numpy.typing import NDArray\n"
        "reveal_type(asr.wer)\n"
        "reveal_type(Recognizer.load().transcribe(b'').words[0].confidence)\n"
        "reveal_type(CtcDecoder(['', 'a']).start().finish()[0].text)\n"
        "Recognizer.load('english', 'lm.arpa')\n"
        "def of_an_array(batch: NDArray[np.float32], lengths: NDArray[np.int64]) -> None:\n"
        "    CtcDecoder(['', 'a']).decode_batch(batch, lengths=lengths)\n"
    )
    command = [sys.executable, "-m", "mypy", "--cache-dir", tmp_path / "cache", "--follow-imports=silent", "user.py"]
    result = subprocess.run(
        list(map(str, command)), cwd=tmp_path, capture_output=True, text=True,
        env={"MYPYPATH": str(Path(asr.__file__).parents[1]), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    for part in ('"float"', '"str"', "-> float", "Too many positional arguments", "user.py:6"):
        assert part in result.stdout, result.stdout + result.stderr
    assert "Any" not in result.stdout
    assert result.stdout.count("error:") == 1, result.stdout
