#!/usr/bin/env bash
# Phrases of film reviews, positive or negative (SST-2 in GLUE's form): a BiLSTM from scratch, and one that starts from a
# language model.
#   ./run.sh --data FOLDER [--language-model ../imdb/exp/lm] [--work exp] [--stage 1] [--stop-stage 4]
# FOLDER contains text/sst-2/{train.tsv.gz,dev.tsv,test.tsv}; the test set has the labels of the Stanford treebank.

language_model=
cd "$(dirname "$0")"; . ../stages.sh
sst="$data/text/sst-2"
needs "$sst" "SST-2 (https://gluebenchmark.com/tasks, test labels from the Stanford Sentiment Treebank), see --help"
train="asr nlp train $sst/train.tsv.gz --text-col sentence --dev $sst/dev.tsv --dev-text-col content --resume"

if at 1 "train from scratch"; then
  $train --config conf/bilstm.toml --output "$work/bilstm"
fi
if at 2 "train from a language model" && [ -n "$language_model" ]; then
  $train --config conf/fine-tuned.toml --set language_model="$language_model" --output "$work/fine-tuned"
fi
if at 3 "test"; then
  for system in bilstm fine-tuned; do
    if [ -d "$work/$system" ]; then
      echo "--- $system"
      asr nlp evaluate "$sst/test.tsv" --text-col content --model "$work/$system"
      asr nlp predict "$sst/test.tsv" --text-col content --model "$work/$system" --output "$work/$system.test.txt"
    fi
  done
fi
if at 4 "the words that decided"; then
  head -n 4 "$sst/dev.tsv" > "$work/few.tsv"
  asr nlp predict "$work/few.tsv" --text-col content --model "$work/bilstm" --explain
fi
