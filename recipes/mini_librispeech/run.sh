#!/usr/bin/env bash
# From LibriSpeech folders to a table of word error rates, and to the model that the package ships.
#   ./run.sh --data FOLDER [--track open|5h] [--text TEXT] [--vocab LIST] [--dictionary DICT] [--neural-lm LSTM]
#            [--work exp/open] [--stage 0] [--stop-stage 7]
# FOLDER holds LibriSpeech/train-clean-5 and others; the open track adds train-clean-100-part and ljspeech-part where they
# are there. TEXT is prose for the language model, LIST the words to know, whether or not the prose has them, DICT a pronouncing
# dictionary such as CMUdict
# (by default FOLDER/text/prose/train.txt.bz2, …/lexicon/librispeech-vocab.txt.gz, …/lexicon/cmudict.dict).
# LSTM is a language model's folder, such as ../librispeech_lm/run.sh makes; without it there is none in the search.
# The open track goes on from the model of five hours, with all audio. Its stage 7 does so once more, with dev-full-band too
# and in two schedules, the weights of the search kept: that model ships.
# Without --data stage 0 downloads train-clean-5 and dev-clean-2; dev is then dev-clean-2.

track=open text= vocab= dictionary= neural_lm= threshold=1.36e-7
cd "$(dirname "$0")"; . ../stages.sh
if [ -z "$data" ]; then data="$work/data"; fi
text="${text:-$data/text/prose/train.txt.bz2}"
vocab="${vocab:-$data/text/lexicon/librispeech-vocab.txt.gz}"
dictionary="${dictionary:-$data/text/lexicon/cmudict.dict}"
five_hours=train model=5h-2  # the manifest of train-clean-5, and the model that is tuned
if [ "$track" = open ]; then five_hours=five-hours model=open; fi
sets=
for name in dev-full-band dev-clean-part dev-clean-2; do
  if [ -d "$data/LibriSpeech/$name" ]; then sets="$sets $name"; fi
done
dev="$(echo ${sets:-dev-clean-2} | cut -d ' ' -f 1)"  # the first one is what is tuned on

fit() { # CONFIGURATION TRAIN DEV OUTPUT [OPTIONS]
  config="$1" train="$2" validated="$3" output="$4"; shift 4
  asr train --config "conf/$config" --set tokens="$work/tokens.txt" --set lexicon="$work/train-lexicon.txt" \
    --train "$work/$train.jsonl" --dev "$work/$validated.jsonl" --output "$work/$output" --resume "$@"
}

pack() { # MODEL PACKED
  asr checkpoint pack "$work/$1" --output "$work/$2" --lexicon "$work/lexicon.txt.gz" --lm "$work/lm.arpa.gz" \
    ${neural_lm:+--neural-lm "$neural_lm"} --decoding "$work/tuned.json" --card conf/card.md
}
table() { # PACKED SYSTEM SET
  for system in "$2" ${neural_lm:+"$2-lstm"}; do
    case "$system" in *-lstm) more="$work/$1/lstm" ;; *) more=none ;; esac
    asr decode --model "$work/$1" --manifest "$work/$3.jsonl" --threads 2 --neural-lm "$more" \
      --output "$work/$track-$system.$3.trn"
    echo "--- $system, $3"
    asr score "$work/$3.jsonl" "$work/$track-$system.$3.trn"
  done
}

if at 0 "download" && [ ! -d "$data/LibriSpeech/train-clean-5" ]; then
  asr data download train-clean-5 dev-clean-2 --output "$data"
  sets=dev-clean-2
fi
if at 1 "manifests"; then
  asr data import "$data/LibriSpeech/train-clean-5" --output "$work/$five_hours.jsonl"
  if [ "$track" = open ]; then
    set -- "$data/LibriSpeech/train-clean-5"
    for more in LibriSpeech/train-clean-100-part ljspeech-part; do if [ -d "$data/$more" ]; then set -- "$@" "$data/$more"; fi; done
    asr data import "$@" --output "$work/train.jsonl"
  fi
  for name in $sets; do asr data import "$data/LibriSpeech/$name" --output "$work/$name.jsonl"; done
fi
if at 2 "lexicons, language model"; then
  asr tokens lexicon --words "$vocab" --dictionary "$dictionary" --output "$work/lexicon.txt.gz" --variants 2
  set -- --words "$work/train.jsonl"
  for name in ${sets:-$dev}; do set -- "$@" --words "$work/$name.jsonl"; done
  asr tokens lexicon "$@" --dictionary "$dictionary" --output "$work/train-lexicon.txt" --tokens "$work/tokens.txt"
  asr lm ngram "$text" --order 3 --vocab "$vocab" --unseen --threshold "$threshold" --decimals 3 --output "$work/lm.arpa.gz"
fi
if at 3 "train on five hours by CTC, then by CTC-CRF; then on all"; then
  fit bilstm-phones-5h.toml $five_hours "$dev" 5h
  fit bilstm-phones-5h-2.toml $five_hours "$dev" 5h-2 --set init="$work/5h"
  if [ "$track" = open ]; then fit bilstm-phones-open.toml train "$dev" open --set init="$work/5h-2"; fi
fi
if at 4 "log-probs of the dev sets"; then
  for name in $sets; do
    asr decode --model "$work/$model" --manifest "$work/$name.jsonl" --greedy --save-log-probs "$work/$name.npz" \
      --output "$work/greedy.$name.trn"
  done
fi
if at 5 "tune on $dev, decode and score all"; then
  asr tune --log-probs "$work/$dev.npz" --tokens "$work/tokens.txt" --lexicon "$work/lexicon.txt.gz" --lm "$work/lm.arpa.gz" \
    --reference "$work/$dev.jsonl" --beam-size 400 --beam-threshold 16 --threads 2 --trials 8 \
    --neural-lm "${neural_lm:-none}" --final-beam 1600:16 --final-neural-beam 2400:15 --output "$work/tuned.json"
  pack "$model" packed
fi
if at 6 "the table"; then
  for name in $sets; do table packed bilstm-phones-crf "$name"; done
fi
if at 7 "the model that ships" && [ "$track" = open ] && [ "$dev" = dev-full-band ]; then
  cat "$work/train.jsonl" "$work/$dev.jsonl" > "$work/train-dev.jsonl"
  fit bilstm-phones-open.toml train-dev dev-clean-part final-1 --set init="$work/5h-2"
  # bfloat16: on a CPU without avx512_bf16 or AMX single precision is faster.
  fit bilstm-phones-open.toml train-dev dev-clean-part final --set init="$work/final-1" --set train.epochs=13 \
    --set train.peak_lr=0.001 --set train.validate_every=13 --set train.precision=bf16
  pack final ship
  table ship bilstm-phones-crf-dev dev-clean-part
fi
