#!/usr/bin/env bash
# The whole gate, the same for people and CI: lint, types, import rows, tests. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
ruff check .
ruff format --check .
mypy
lint-imports
python -m pytest "$@"
