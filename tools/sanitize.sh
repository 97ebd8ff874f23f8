#!/usr/bin/env bash
# The tests of the compiled parts with a build that stops at memory errors and undefined behaviour (GCC's or Clang's
# address and undefined-behaviour sanitizers). Arguments go to pytest; without any, the tests that use asr._native most.
set -eu
cd "$(dirname "$0")/.."
build=build/sanitize
cmake -G Ninja -S . -B "$build" -DASR_SANITIZE=ON -DPython_EXECUTABLE="$(command -v python)"
cmake --build "$build"
# The module lies beside a copy of the package, so that the one for everyday use stays where it is.
rm -rf "$build/tree"
mkdir -p "$build/tree"
cp -r asr tests pyproject.toml "$build/tree"
rm -f "$build"/tree/asr/_native*.so
cp "$build"/_native*.so "$build/tree/asr"
cd "$build/tree"
export PYTHONPATH="$PWD"
compiler="${CXX:-c++}"
runtime="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libstdc++.so)"
[ "$#" -gt 0 ] || set -- tests/decode/test_beam.py tests/decode/test_extras.py tests/decode/test_decoders.py \
  tests/decode/test_open_vocabulary.py tests/decode/test_native.py tests/lm/lstm/test_products.py tests/lm/ngram/test_plain_readers.py
# Python itself frees little at its end: leaks are not looked for. A report goes to stderr, which pytest must not catch.
LD_PRELOAD="$runtime" ASAN_OPTIONS=detect_leaks=0 python -m pytest -q -x -p no:cacheprovider --capture=sys "$@"
