#!/usr/bin/env bash
# CMU AN4 (0.8 h of spelled names, numbers and addresses): phones, a lexicon, and an n-gram of the training texts.
#   ./run.sh --data FOLDER [--dictionary cmudict.dict] [--work exp] [--stage 0] [--stop-stage 6]
# FOLDER contains an4/, the unpacked official archive or a folder with manifest.jsonl. Without it stage 0 downloads the archive.

dictionary=
cd "$(dirname "$0")"; . ../stages.sh
data="${data:-$work/data}"
dictionary="${dictionary:-$data/text/lexicon/cmudict.dict}"

if at 0 "download" && [ ! -d "$data/an4" ]; then
  asr data download an4 --output "$data"
fi
needs "$data/an4" "CMU AN4, which stage 0 downloads"
needs "$dictionary" "CMUdict, cmudict.dict of https://github.com/cmusphinx/cmudict; or name it with --dictionary"
if at 1 "manifests"; then
  asr data import "$data/an4" --where split=train --output "$work/all.jsonl"
  asr data import "$data/an4" --where split=test --output "$work/test.jsonl"
  asr data split "$work/all.jsonl" --dev 0.1 --output "$work/train.jsonl" "$work/dev.jsonl"
fi
if at 2 "lexicon and language model of the training texts"; then
  # In AN4 "a" is nearly always the letter. CMUdict lists the article first, and first pronunciations are trained on.
  (echo "a EY"; cat "$dictionary") > "$work/letters.dict"
  asr tokens lexicon --words "$work/all.jsonl" --dictionary "$work/letters.dict" --output "$work/lexicon.txt" --tokens "$work/tokens.txt"
  asr lm ngram "$work/all.jsonl" --order 3 --output "$work/lm.arpa.gz"
  asr lm ngram "$work/train.jsonl" --order 3 --output "$work/lm-for-tuning.arpa.gz"
fi
fit() { # TRAIN OUTPUT [OPTIONS]
  train="$1" output="$2"; shift 2
  asr train --config conf/blocks.toml --set tokens="$work/tokens.txt" --set lexicon="$work/lexicon.txt" "$@" \
    --train "$work/$train.jsonl" --dev "$work/dev.jsonl" --output "$work/$output" --resume
}
pack() { # MODEL PACKED
  asr checkpoint pack "$work/$1" --output "$work/$2" --lm "$work/lm.arpa.gz" --decoding "$work/tuned.json" \
    --card conf/card.md --dtype int8
}

if at 3 "train by CTC, then by CTC-CRF"; then
  fit train model
fi
if at 4 "tune on dev, with a language model that has not seen it"; then
  asr tune --model "$work/model" --reference "$work/dev.jsonl" --lm "$work/lm-for-tuning.arpa.gz" --beam-size 200 \
    --output "$work/tuned.json"
  pack model packed
fi
if at 5 "the model that ships: 20 epochs more, with dev too, on the pronunciations it hears; test of both"; then
  spell "$work/model" "$work/all.jsonl" "$work/lexicon.txt" "$work/spelled.txt"
  fit all final --set spelled="$work/spelled.txt" --set init="$work/model" --set criterion.ctc_epochs=0 --set data.sorted_epochs=0 \
    --set train.epochs=20 --set train.peak_lr=0.001 --set train.validate_every=20
  pack final ship
  for pair in packed:blocks-crf ship:blocks-crf-dev; do
    system="${pair#*:}"
    asr decode --model "$work/${pair%:*}" --manifest "$work/test.jsonl" --output "$work/$system.test.trn"
    echo "--- $system"
    asr score "$work/test.jsonl" "$work/$system.test.trn"
  done
fi
if at 6 "to compare: hidden Markov models with Gaussian mixtures, the search's weights from a few tries on dev"; then
  monophone
fi
