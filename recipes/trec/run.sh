#!/usr/bin/env bash
# Question types (TREC-6): a BiLSTM from scratch, one that starts from a language model of film reviews, and one from the
# shipped English language model, mixed with tf-idf; minutes on two cores.
#   ./run.sh --data FOLDER [--language-model ../imdb/exp/lm] [--work exp] [--stage 1] [--stop-stage 4]
# FOLDER contains text/trec/TREC.train.all and TREC.test.all (lines `0-5 text`, Latin-1). A tenth of the training set is for
# validation.

language_model=
cd "$(dirname "$0")"; . ../stages.sh
needs "$data/text/trec" "TREC question types (https://cogcomp.seas.upenn.edu/Data/QA/QC), see --help"
train="asr nlp train $data/text/trec/TREC.train.all --lines --encoding latin-1 --resume"

if at 1 "train from scratch"; then
  $train --config conf/bilstm.toml --output "$work/bilstm"
fi
if at 2 "train from a language model" && [ -n "$language_model" ]; then
  $train --config conf/fine-tuned.toml --set language_model="$language_model" --output "$work/fine-tuned"
fi
if at 3 "train from the shipped language model"; then
  $train --config conf/shipped.toml --output "$work/shipped"
  for seed in 2 3; do $train --config conf/shipped.toml --set train.seed=$seed --output "$work/shipped-$seed"; done
fi
if at 4 "test"; then
  for system in bilstm fine-tuned shipped; do
    if [ -d "$work/$system" ]; then
      set -- "$data/text/trec/TREC.test.all" --lines --encoding latin-1 --model "$work/$system"
      echo "--- $system"
      asr nlp evaluate "$@"
      asr nlp predict "$@" --output "$work/$system.test.txt"
    fi
  done
  if [ -d "$work/shipped-3" ]; then
    set -- "$data/text/trec/TREC.test.all" --lines --encoding latin-1
    for model in shipped shipped-2 shipped-3; do set -- "$@" --model "$work/$model"; done
    echo "--- the mean of three"
    asr nlp evaluate "$@"
    asr nlp predict "$@" --output "$work/shipped-three.test.txt"
  fi
fi
