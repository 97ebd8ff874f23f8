#!/usr/bin/env bash
# Word error rates of the shipped model, or of any other, on official LibriSpeech sets, with 95% intervals.
#   ./evaluate.sh --data FOLDER [--sets test-clean,test-other] [--model english] [options of `asr evaluate`]
# FOLDER holds LibriSpeech/<set>; sets that are missing are downloaded into it (test-clean 0.35 GB, test-other 0.33 GB).
set -eu
exec asr evaluate "$@"
