#!/usr/bin/env bash
# From recordings with their texts to a model of your own and its word error rate, by commands alone.
#
#     examples/train_small.sh CORPUS WORK [--set key=value]...
#
# CORPUS is a table (.csv, .tsv, .jsonl) with the columns audio_filepath, text and speaker, or any folder that `asr data import`
# knows. The sizes here are for minutes of speech and a laptop; recipes/mini_librispeech is the real thing.
set -eu
[ $# -ge 2 ] || { echo "usage: examples/train_small.sh CORPUS WORK [--set key=value]..." >&2; exit 2; }
corpus=$1 work=$2
shift 2
mkdir -p "$work"

asr data import "$corpus" --output "$work/all.jsonl"
asr data split "$work/all.jsonl" --dev 0.2 --output "$work/train.jsonl" "$work/dev.jsonl"
asr tokens characters --output "$work/tokens.txt"
asr lm ngram "$work/train.jsonl" --order 2 --output "$work/lm.arpa.gz"

cat > "$work/config.toml" <<TOML
tokens = "$work/tokens.txt"
[model]
hidden_size = 64
num_layers = 2
dropout = 0.2
[model.features]
num_mel_bins = 40
[train]
epochs = 30
peak_lr = 0.004
average = 5
TOML
asr train --config "$work/config.toml" --train "$work/train.jsonl" --dev "$work/dev.jsonl" --output "$work/model" "$@"

asr decode --model "$work/model" --manifest "$work/dev.jsonl" --lm "$work/lm.arpa.gz" --output "$work/dev.trn"
asr score "$work/dev.jsonl" "$work/dev.trn"
