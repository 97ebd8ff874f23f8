"""Model folders opened without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from asr.acoustic.checkpoint import save_checkpoint
from asr.errors import CheckpointError
from asr.model_package import ModelPackage
from asr.shipped import available_models, model_folder
from tests.conftest import tiny_checkpoint

# What runs before the code under test: any import of torch fails.
BLOCK_TORCH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchaudio"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
"""


def run_without_torch(code: str, *arguments: str) -> str:
    """What the code prints, run in a process where torch cannot be imported."""
    run = subprocess.run([sys.executable, "-c", BLOCK_TORCH + code, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


def test_every_shipped_model_opens_without_torch():
    code = (
        "from asr.model_package import ModelPackage\nfrom asr.shipped import available_models, model_folder\n"
        "for name in available_models():\n"
        "    package = ModelPackage.open(model_folder(name))\n"
        "    print(name, package.kind, len(package.tokens), len(package.lexicon), package.sample_rate, "
        "package.lm_path.name)\n"
    )
    found = [line.split() for line in run_without_torch(code).splitlines()]
    assert [line[0] for line in found] == ["an4", "digits", "english"]
    assert found[2][1:3] == ["lstm", "41"]
    assert [line[4] for line in found] == ["16000"] * 3
    with pytest.raises(AssertionError, match="torch is blocked"):
        run_without_torch("import torch")


def test_a_package_is_what_the_folder_says():
    package = ModelPackage.open(model_folder("english"))
    assert package.seconds_per_frame == pytest.approx(0.03)
    assert package.features.num_mel_bins == 80
    assert package.search["beam_size"] == 2500
    assert "lm" not in package.search
    assert package.lm_path == package.folder / "lm.ngrams.xz"
    assert package.neural_lm_path == package.folder / "lstm"
    assert package.card.startswith("---\nlanguage: en\n")
    for name in available_models():
        assert ModelPackage.open(model_folder(name)).tokens.names[0] == "<blank>"


def test_a_folder_without_extras_has_none(tiny_model):
    package = ModelPackage.open(tiny_model)
    assert (package.lm_path, package.neural_lm_path, package.card, package.search) == (None, None, "", {})
    assert package.lexicon is not None
    assert package.lexicon.spellings == tiny_checkpoint().lexicon.spellings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens_sha256": "0"}, "not the one the model was trained with"),
        ({"model": {"kind": "lstm"}}, "lacks 'features'"),
        ({"model": {"kind": "lstm", "features": {"melbins": 80}}}, "unknown configuration key 'melbins'"),
        ({"decoding": {"lm": "../lm.arpa"}}, "must lie beside config.json"),
        ({"decoding": {"lm_weight": "high"}}, "must be a number"),
        ({"format": 99}, "newer"),
        ({"type": "lm"}, "not 'acoustic'"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, message):
    save_checkpoint(tmp_path, *tiny_checkpoint())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(CheckpointError, match=message):
        ModelPackage.open(tmp_path)
