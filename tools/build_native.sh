#!/usr/bin/env bash
# Build asr._native into the source tree, for work on it without installing: asr/_native*.so, which git ignores.
# Needs g++ or clang++, and `pip install nanobind cmake ninja`. Arguments go to the first CMake call.
set -eu
cd "$(dirname "$0")/.."
cmake -G Ninja -B build/in-place -DASR_IN_PLACE=ON -DPython_EXECUTABLE="$(command -v python)" "$@"
cmake --build build/in-place
