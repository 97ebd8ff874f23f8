"""The command line keeps NumPy's products on one thread, unless the user says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("chosen", "expected"), [(None, "1"), ("2", "2")])
def test_the_command_line_leaves_blas_one_thread(chosen, expected):
    code = (
        "import sys; sys.argv = ['asr', '--version']; import asr.cli.main as m, os\n"
        "assert 'numpy' not in sys.modules\n"
        "try: m.main()\n"
        "except SystemExit: print(os.environ['OPENBLAS_NUM_THREADS'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    environment |= {"OPENBLAS_NUM_THREADS": chosen} if chosen else {}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.split()[-1] == expected
