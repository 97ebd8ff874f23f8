#!/usr/bin/env bash
# The whole gate, the same for people and CI: lint, types, import rows, fuzzing, tests. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
ruff check .
ruff format --check .
mypy
lint-imports
python tools/fuzz --inputs 200  # the short form: about 6,000 inputs of all formats
python -m pytest "$@"
