#!/usr/bin/env bash
# Build KenLM's lmplz, the oracle of the n-gram tests, from its source package: tools/build_lmplz.sh FOLDER
# Needs cmake, g++, pip with the package `wheel`, and Boost (Debian: cmake and libboost-{system,thread,program-options,test}-dev).
set -eu
folder="$1"
mkdir -p "$folder"
cd "$folder"
pip download --quiet --progress-bar off --no-deps --no-build-isolation --no-binary kenlm 'kenlm==0.3.0'
tar xzf kenlm-0.3.0.tar.gz
cmake -S kenlm-0.3.0 -B build -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF
cmake --build build --target lmplz --parallel 2
ln -sf build/bin/lmplz lmplz
