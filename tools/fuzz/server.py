"""Random requests against a running server, by its OpenAPI document, and a look at what is left afterwards.

    python tools/fuzz/server.py [--examples 2000]

Needs schemathesis (`pip install schemathesis`), which is no part of the gate. Exits with 1 for an answer of 5xx other
than 503, for temporary files that are left, or for a server that is no more.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path


def leftovers() -> set[str]:
    """Temporary files and folders of the recognizer."""
    return {path.name for path in Path(tempfile.gettempdir()).glob("asr-*")}


def main() -> int:
    """Run schemathesis and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=2000, help="for each operation")
    parser.add_argument("--schemathesis", default="schemathesis", help="the command")
    arguments = parser.parse_args()
    before = leftovers()
    command = [sys.executable, "-m", "asr", "serve", "--port", "0", "--model", "digits", "--threads", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    address = next(match[1] for line in process.stderr if (match := re.search(r"(http://\S+)", line)))
    try:
        fuzz = [arguments.schemathesis, "run", f"{address}/openapi.json", "--checks", "not_a_server_error",
                "--max-examples", str(arguments.examples), "--phases", "examples,coverage,fuzzing",
                "--continue-on-failure"]  # fmt: skip
        code = subprocess.run(fuzz).returncode
        lines = urllib.request.urlopen(f"{address}/metrics").read().decode().splitlines()
        counts = {line.split()[0]: int(line.split()[1]) for line in lines if line.startswith("asr_requests_total")}
        alive = process.poll() is None
    finally:
        process.terminate()
        process.wait(60)
    failures = {name: count for name, count in counts.items() if re.search(r'status="5(?!03)', name)}
    left = leftovers() - before
    print(
        json.dumps(
            {"requests": sum(counts.values()), "answers": counts, "alive": alive, "left": sorted(left)}, indent=1
        )
    )
    return 1 if code or failures or left or not alive else 0


if __name__ == "__main__":
    sys.exit(main())
