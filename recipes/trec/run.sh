#!/usr/bin/env bash
# Question types (TREC-6): a BiLSTM from scratch beside tf-idf and logistic regression; two minutes on two cores.
#   ./run.sh --data FOLDER [--work exp] [--stage 1] [--stop-stage 2]
# FOLDER holds text/trec/TREC.train.all and TREC.test.all (lines `0-5 text`, Latin-1). A tenth of train is for validation.

cd "$(dirname "$0")"; . ../stages.sh

if at 1 "train"; then
  asr nlp train "$data/text/trec/TREC.train.all" --lines --encoding latin-1 --config conf/bilstm.toml \
    --output "$work/model" --resume
fi
if at 2 "test"; then
  set -- "$data/text/trec/TREC.test.all" --lines --encoding latin-1 --model "$work/model"
  asr nlp evaluate "$@"
  asr nlp predict "$@" --output "$work/bilstm.test.txt"
fi
