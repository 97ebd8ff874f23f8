"""Recognition loads nothing of training."""

from __future__ import annotations

import subprocess
import sys

import pytest

from asr.shipped import model_folder

NOT_FOR_RECOGNITION = ("asr.train", "asr.data", "asr.acoustic.criteria", "asr.acoustic.task", "asr.gmm.training",
                       "asr.audio.augment", "jiwer", "scipy", "sklearn", "librosa")  # fmt: skip

CODE = """
import sys
{code}
unwanted = sorted(name for name in sys.modules for other in {others} if name == other or name.startswith(other + "."))
assert not unwanted, unwanted
"""


@pytest.mark.parametrize(
    "code",
    [
        "from asr import Recognizer; Recognizer.load",
        "from asr.backends import open_backend; open_backend(sys.argv[1], backend='torch', device='cpu')",
        "from asr.backends import open_backend; open_backend(sys.argv[1], device='cpu')",
    ],
)
def test_recognition_loads_nothing_of_training(code):
    script = CODE.format(code=code, others=NOT_FOR_RECOGNITION)
    run = subprocess.run([sys.executable, "-c", script, model_folder("digits")], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-500:]
