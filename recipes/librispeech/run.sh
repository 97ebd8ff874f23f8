#!/usr/bin/env bash
# Train on official LibriSpeech subsets and score others, by their names.
#   ./run.sh [--data FOLDER] --train train-clean-100[,train-clean-360] --eval test-clean,test-other --dev dev-clean
#            [--text TEXT] [--dictionary DICT] [--work exp] [--stage 0] [--stop-stage 5]
# FOLDER contains LibriSpeech/<subset>; missing subsets are downloaded into it. Without DICT (a dictionary such as CMUdict)
# the model's tokens are characters. Without TEXT the language model is estimated from the training transcripts.

train=train-clean-100 eval=test-clean,test-other dev=dev-clean text= dictionary= words=200000 prune="0 0 1"
cd "$(dirname "$0")"; . ../stages.sh
data="${data:-$work/data}"

if at 0 "download missing subsets"; then
  for name in ${train//,/ } ${eval//,/ } $dev; do
    if [ ! -d "$data/LibriSpeech/$name" ]; then asr data download "$name" --output "$data"; fi
  done
fi
if at 1 "manifests"; then
  sources=
  for name in ${train//,/ }; do sources="$sources $data/LibriSpeech/$name"; done
  asr data import $sources --output "$work/train.jsonl"
  for name in ${eval//,/ } $dev; do asr data import "$data/LibriSpeech/$name" --output "$work/$name.jsonl"; done
fi
text="${text:-$work/train.jsonl}"
if at 2 "words, tokens, lexicon, language model"; then
  asr tokens words "$text" --most "$words" --output "$work/words.txt"
  if [ -n "$dictionary" ]; then
    asr tokens lexicon --words "$work/words.txt" --words "$work/train.jsonl" --words "$work/$dev.jsonl" \
      --dictionary "$dictionary" --output "$work/lexicon.txt" --tokens "$work/tokens.txt"
  else
    asr tokens characters --output "$work/tokens.txt"
  fi
  asr lm ngram "$text" --order 3 --vocab "$work/words.txt" --prune "$prune" --output "$work/lm.arpa.gz"
fi
lexicon=
if [ -n "$dictionary" ]; then lexicon="--set lexicon=$work/lexicon.txt"; fi
if at 3 "train"; then
  asr train --config conf/bilstm.toml --set tokens="$work/tokens.txt" $lexicon \
    --train "$work/train.jsonl" --dev "$work/$dev.jsonl" --output "$work/model" --resume
fi
if at 4 "tune on $dev"; then
  asr tune --model "$work/model" --reference "$work/$dev.jsonl" --lm "$work/lm.arpa.gz" --threads 2 --output "$work/tuned.json"
  asr checkpoint pack "$work/model" --output "$work/packed" --lm "$work/lm.arpa.gz" --decoding "$work/tuned.json"
fi
if at 5 "the table"; then
  for name in $dev ${eval//,/ }; do
    asr decode --model "$work/packed" --manifest "$work/$name.jsonl" --threads 2 --output "$work/bilstm.$name.trn"
    echo "--- $name"
    asr score "$work/$name.jsonl" "$work/bilstm.$name.trn"
  done
fi
