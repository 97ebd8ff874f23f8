"""Recognition loads nothing of training."""

from __future__ import annotations

import os
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


def test_onnx_runtime_writes_nothing_and_starts_no_thread_when_it_is_imported(tmp_path):
    """Its telemetry would: an identifier, a database, a session's file, and a thread that sends them."""
    code = "import os, asr.backends.onnx_backend; print(len(os.listdir('/proc/self/task')) if os.name != 'nt' else 1)"
    places = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR")}
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"} | places
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert run.stdout == "1\n"
    assert not list(tmp_path.rglob("*"))
