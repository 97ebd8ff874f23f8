#!/usr/bin/env bash
# From LibriSpeech folders to a table of word error rates, and to the model that the package ships.
#   ./run.sh --data FOLDER [--track open|5h] [--text TEXT] [--vocab LIST] [--dictionary DICT] [--neural-lm LSTM]
#            [--work exp/open] [--stage 0] [--stop-stage 7]
# FOLDER holds LibriSpeech/train-clean-5 and others; the open track adds train-clean-100-part and ljspeech-part where they
# are there. TEXT is prose for the language model, LIST the words to know, whether or not the prose has them, DICT a pronouncing
# dictionary such as CMUdict
# (by default FOLDER/text/prose/train.txt.bz2, …/lexicon/librispeech-vocab.txt.gz, …/lexicon/cmudict.dict).
# LSTM is a language model's folder, such as ../librispeech_lm/run.sh makes; without it there is none in the search.
# Either track's model has two schedules, the second one on the pronunciations that the first one's model hears in its
# audio. Stage 7 goes on from the open one with dev-full-band too, the weights of the search kept: that model ships.
# Without --data stage 0 downloads train-clean-5 and dev-clean-2; dev is then dev-clean-2.

track=open text= vocab= dictionary= neural_lm= threshold=1.36e-7
cd "$(dirname "$0")"; . ../stages.sh
if [ -z "$data" ]; then data="$work/data"; fi
text="${text:-$data/text/prose/train.txt.bz2}"
vocab="${vocab:-$data/text/lexicon/librispeech-vocab.txt.gz}"
dictionary="${dictionary:-$data/text/lexicon/cmudict.dict}"
sets=
for name in dev-full-band dev-clean-part dev-clean-2; do
  if [ -d "$data/LibriSpeech/$name" ]; then sets="$sets $name"; fi
done
dev="$(echo ${sets:-dev-clean-2} | cut -d ' ' -f 1)"  # the first one is what is tuned on

fit() { # TRAIN DEV OUTPUT [OPTIONS]
  train="$1" validated="$2" output="$3"; shift 3
  asr train --config conf/blocks.toml --set tokens="$work/tokens.txt" --set lexicon="$work/train-lexicon.txt" \
    --train "$work/$train.jsonl" --dev "$work/$validated.jsonl" --output "$work/$output" --resume "$@"
}

again() { # TRAIN DEV FROM OUTPUT [OPTIONS]: CTC-CRF once more, on what the model FROM hears
  from="$work/$3" spelled="$work/spelled-$4.txt"
  spell "$from" "$work/$1.jsonl" "$work/train-lexicon.txt" "$spelled"
  fit "$1" "$2" "$4" "${@:5}" --set init="$from" --set spelled="$spelled" --set criterion.ctc_epochs=0 --set data.sorted_epochs=0
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
  set -- "$data/LibriSpeech/train-clean-5"
  if [ "$track" = open ]; then
    for more in LibriSpeech/train-clean-100-part ljspeech-part; do if [ -d "$data/$more" ]; then set -- "$@" "$data/$more"; fi; done
  fi
  asr data import "$@" --output "$work/train.jsonl"
  for name in $sets; do asr data import "$data/LibriSpeech/$name" --output "$work/$name.jsonl"; done
fi
if at 2 "lexicons, language model"; then
  asr tokens lexicon --words "$vocab" --dictionary "$dictionary" --output "$work/lexicon.txt.gz" --variants 2
  set -- --words "$work/train.jsonl"
  for name in ${sets:-$dev}; do set -- "$@" --words "$work/$name.jsonl"; done
  asr tokens lexicon "$@" --dictionary "$dictionary" --output "$work/train-lexicon.txt" --tokens "$work/tokens.txt"
  asr lm ngram "$text" --order 3 --vocab "$vocab" --unseen --threshold "$threshold" --decimals 3 --output "$work/lm.arpa.gz"
fi
# With more audio fewer epochs and less dropout, but rooms and noise.
rooms="--set augment.noise_probability=0.25 --set augment.reverb_probability=0.15"
if [ "$track" = open ]; then
  options="--set criterion.ctc_epochs=2 --set train.epochs=16 --set train.validate_every=4 $rooms" dropout=0.3
else
  options= dropout=0.35
fi
if at 3 "train by CTC, then by CTC-CRF; then once more on what is heard"; then
  fit train "$dev" first $options
  again train "$dev" first second $options --set train.peak_lr=0.0012 --set model.dropout=$dropout
fi
if at 4 "log-probs of the dev sets"; then
  for name in $sets; do
    asr decode --model "$work/second" --manifest "$work/$name.jsonl" --greedy --save-log-probs "$work/$name.npz" \
      --output "$work/greedy.$name.trn"
  done
fi
if at 5 "tune on $dev, decode and score all"; then
  asr tune --log-probs "$work/$dev.npz" --tokens "$work/tokens.txt" --lexicon "$work/lexicon.txt.gz" --lm "$work/lm.arpa.gz" \
    --reference "$work/$dev.jsonl" --beam-size 400 --beam-threshold 16 --threads 2 --trials 8 \
    --neural-lm "${neural_lm:-none}" --final-beam 1600:16 --final-neural-beam 2400:15 --output "$work/tuned.json"
  pack second packed
fi
if at 6 "the table"; then
  for name in $sets; do table packed blocks-crf "$name"; done
fi
if at 7 "the model that ships" && [ "$track" = open ] && [ "$dev" = dev-full-band ]; then
  cat "$work/train.jsonl" "$work/$dev.jsonl" > "$work/train-dev.jsonl"
  again train-dev dev-clean-part second final $rooms --set train.epochs=14 --set train.validate_every=14 \
    --set train.peak_lr=0.001 --set model.dropout=0.3
  pack final ship
  table ship blocks-crf-dev dev-clean-part
fi
