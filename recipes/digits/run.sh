#!/usr/bin/env bash
# Spoken digits (Free Spoken Digit Dataset, 0.3 h): the smallest complete recipe, a few minutes on two cores.
#   ./run.sh --data FOLDER [--work exp] [--dictionary cmudict.dict] [--stage 1] [--stop-stage 6]
# FOLDER contains fsdd/, a clone of the dataset's repository or a folder with manifest.jsonl. Takes 0 to 4 are the test set.

dictionary=
cd "$(dirname "$0")"; . ../stages.sh
dictionary="${dictionary:-$data/text/lexicon/cmudict.dict}"
needs "$data/fsdd" "the Free Spoken Digit Dataset (git clone https://github.com/Jakobovski/free-spoken-digit-dataset fsdd)"

if at 1 "manifests"; then
  asr data import "$data/fsdd" --where split=train --output "$work/all.jsonl"
  asr data import "$data/fsdd" --where split=test --output "$work/test.jsonl"
  asr data split "$work/all.jsonl" --by utterance --dev 0.1 --output "$work/train.jsonl" "$work/dev.jsonl"
fi
if at 2 "language model: one digit an utterance"; then
  asr lm ngram "$work/train.jsonl" --order 2 --output "$work/lm.arpa.gz"
fi
if at 3 "train"; then
  asr train --config conf/bilstm.toml --train "$work/train.jsonl" --dev "$work/dev.jsonl" --output "$work/model" --resume
fi
if at 4 "tune on dev"; then
  asr tune --model "$work/model" --reference "$work/dev.jsonl" --lm "$work/lm.arpa.gz" --lexicon conf/lexicon.txt \
    --output "$work/tuned.json"
  asr checkpoint pack "$work/model" --output "$work/packed" --lexicon conf/lexicon.txt --lm "$work/lm.arpa.gz" \
    --decoding "$work/tuned.json" --card conf/card.md
fi
if at 5 "test"; then
  asr decode --model "$work/packed" --manifest "$work/test.jsonl" --output "$work/bilstm.test.trn"
  asr score "$work/test.jsonl" "$work/bilstm.test.trn"
fi
if [ "$stop_stage" -ge 6 ]; then needs "$dictionary" "CMUdict, cmudict.dict of https://github.com/cmusphinx/cmudict; or name it with --dictionary"; fi
if at 6 "to compare: hidden Markov models with Gaussian mixtures, the search's weights from a few tries on dev" && [ -f "$dictionary" ]; then
  monophone
fi
