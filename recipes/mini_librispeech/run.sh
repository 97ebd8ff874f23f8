#!/usr/bin/env bash
# From LibriSpeech folders to a table of word error rates, and to the model that the package ships.
#   ./run.sh --data FOLDER [--track open|5h] [--text TEXT] [--vocab LIST] [--dictionary DICT] [--neural-lm LSTM]
#            [--work exp/TRACK] [--stage 0] [--stop-stage 8]
# FOLDER holds LibriSpeech/train-clean-5 and others; the open track adds train-clean-100-part and ljspeech-part where they
# are there. TEXT is prose for the language model, LIST the words to know, whether or not the prose has them, DICT a pronouncing
# dictionary such as CMUdict
# (by default FOLDER/text/prose/train.txt.bz2, …/lexicon/librispeech-vocab.txt.gz, …/lexicon/cmudict.dict).
# LSTM is a language model's folder, such as ../librispeech_lm/run.sh makes; without it there is none in the search.
# Either track's model has three schedules, the later ones on the pronunciations that the first one's model hears in its
# audio. Stage 7 goes on from the second open one with dev-full-band too, the weights of the search kept: that model ships.
# Stage 8 trains it on, on all voices and microphones there are (Common Voice, VCTK, 240 more speakers of LibriSpeech), on
# utterances joined with pauses and on sounds without speech, with conf/wide.toml; ../wild_dev measures what that gives.
# Stage 0 downloads train-clean-5 and dev-clean-2 where FOLDER lacks train-clean-5 (without --data to WORK/data). TEXT, LIST
# and DICT must be named unless FOLDER has them; dev is then dev-clean-2.

track=open text= vocab= dictionary= neural_lm= threshold=1.36e-7
cd "$(dirname "$0")"; . ../stages.sh; . conf/attention.sh
if [ "$work" = exp ]; then work="exp/$track"; fi
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

again() { # TRAIN DEV FROM OUTPUT SPELLED [OPTIONS]: CTC-CRF once more, from the model FROM, on the pronunciations in SPELLED
  fit "$1" "$2" "$4" "${@:6}" --set init="$work/$3" --set spelled="$work/spelled-$5.txt" --set criterion.ctc_epochs=0 \
    --set data.sorted_epochs=0
}
heard() { # MODEL TRAIN SPELLED
  spell "$work/$1" "$work/$2.jsonl" "$work/train-lexicon.txt" "$work/spelled-$3.txt"
}

tune() { # MODEL TUNED
  asr decode --model "$work/$1" --manifest "$work/$dev.jsonl" --greedy --save-log-probs "$work/$1.npz" --output "$work/$1.greedy.trn"
  asr tune --log-probs "$work/$1.npz" --tokens "$work/tokens.txt" --lexicon "$work/lexicon.txt.gz" --lm "$work/lm.arpa.gz" \
    --reference "$work/$dev.jsonl" --beam-size 400 --beam-threshold 16 --threads 2 --trials 8 \
    --neural-lm "${neural_lm:-none}" --final-beam 1600:16 --final-neural-beam 1600:14 --output "$work/$2"
}
pack() { # MODEL PACKED TUNED
  asr checkpoint pack "$work/$1" --dtype int8 --output "$work/$2" --lexicon "$work/lexicon.txt.gz" --lm "$work/lm.arpa.gz" \
    ${neural_lm:+--neural-lm "$neural_lm"} --decoding "$work/$3" --card conf/card.md
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

if [ "$stop_stage" -ge 1 ]; then
  needs "$text" "prose, a sentence a line (asr lm text makes it of books); or name it with --text"
  needs "$vocab" "words, one a line (librispeech-vocab.txt of https://www.openslr.org/11); or name them with --vocab"
  needs "$dictionary" "CMUdict, cmudict.dict of https://github.com/cmusphinx/cmudict; or name it with --dictionary"
fi
if at 0 "download" && [ ! -d "$data/LibriSpeech/train-clean-5" ]; then
  asr data download train-clean-5 dev-clean-2 --output "$data"
  sets=dev-clean-2
fi
if [ "$stop_stage" -ge 1 ]; then
  needs "$data/LibriSpeech/train-clean-5" "mini LibriSpeech, which stage 0 downloads"
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
if [ "$track" = open ]; then
  options="--set criterion.ctc_epochs=2 --set train.epochs=16 --set train.validate_every=4 $rooms" dropout=0.3
else
  options= dropout=0.35
fi
if at 3 "train by CTC, then by CTC-CRF; then once more on what is heard"; then
  fit train "$dev" first $options
  heard first train second
  again train "$dev" first second second $options --set train.peak_lr=0.0012 --set model.dropout=$dropout
fi
if at 4 "tune on $dev, decode and score all"; then
  tune second tuned.json
  pack second packed tuned.json
  for name in $sets; do table packed blocks-crf "$name"; done
fi
# The third schedule: self-attention in every block, two views of every utterance, larger batches, more dropout, codecs.
third="$attention --set criterion.consistency=0.2 --set train.peak_lr=0.002 --set train.warmup_share=0.06 --set train.average=3
  --set train.epochs=20 --set train.validate_every=6"
batches() { # of 400 s; where there is no GPU in parts, which need a fifth of the memory
  if [ "$(asr --show-device)" = cuda ]; then
    echo --set data.batch_seconds=400
  else
    echo --set data.batch_seconds=100 --set train.accumulate=4
  fi
}
if [ "$track" = open ]; then third="$third --set model.dropout=0.35"; else third="$third --set model.dropout=0.4"; fi
if at 5 "train once more, with self-attention and in two views"; then
  again train "$dev" second third second $third $(batches)
fi
if at 6 "tune it on $dev, decode and score all"; then
  tune third tuned-third.json
  pack third packed-third tuned-third.json
  for name in $sets; do table packed-third blocks-attention "$name"; done
fi
if at 7 "the model that ships" && [ "$track" = open ] && [ "$dev" = dev-full-band ]; then
  cat "$work/train.jsonl" "$work/$dev.jsonl" > "$work/train-dev.jsonl"
  heard second train-dev final
  again train-dev dev-clean-part second more final $rooms --set train.epochs=14 --set train.validate_every=14 \
    --set train.peak_lr=0.001 --set model.dropout=0.3
  again train-dev "$dev" more final final $third $(batches)  # validated on what it is trained on: nothing is left to choose
  pack final ship tuned-third.json
  table ship blocks-attention-dev dev-clean-part
fi
wide="$work/wide"
if at 8 "on more voices, in rooms and noise" && [ -d "$data/commonvoice-part" ] && [ -d "$data/noise" ]; then
  mkdir -p "$wide"
  set -- "$data/LibriSpeech/dev-full-band"
  for more in train-clean-5 train-clean-100-part train-clean-100-more; do
    if [ -d "$data/LibriSpeech/$more" ]; then set -- "$@" "$data/LibriSpeech/$more"; fi
  done
  if [ -d "$data/ljspeech-part" ]; then set -- "$@" "$data/ljspeech-part"; fi
  asr data import "$@" --output "$wide/read.jsonl"
  asr data import "$data/commonvoice-part" --where split=train --output "$wide/cv.jsonl"
  asr data import "$data/commonvoice-part" --where split=dev --output "$wide/cv-dev.jsonl"
  asr data import "$data/vctk-part" --where split=train --output "$wide/vctk.jsonl"
  cat "$wide/read.jsonl" "$wide/cv.jsonl" "$wide/vctk.jsonl" > "$wide/single.jsonl"
  [ -f "$wide/joined/manifest.jsonl" ] || asr data join "$wide/single.jsonl" --output "$wide/joined"
  [ -f "$wide/sounds/manifest.jsonl" ] || asr data sounds --number 300 --output "$wide/sounds"
  for kind in baby-cry chainsaw clock-tick fire-crackling person-sneeze rain rooster; do
    asr data import "$data/noise" --kind sounds --where "kind=$kind" --output "$wide/noise-$kind.jsonl"
  done
  asr data import "$wide/joined" "$wide/sounds" "$wide"/noise-*.jsonl --no-normalize --output "$wide/train.jsonl"
  asr tokens lexicon --words "$wide/train.jsonl" --words "$wide/cv-dev.jsonl" --dictionary "$dictionary" \
    --output "$wide/train-lexicon.txt" --tokens "$wide/tokens.txt"
  spell "$work/final" "$wide/joined/manifest.jsonl" "$wide/train-lexicon.txt" "$wide/spelled.txt"
  asr train --config conf/wide.toml --set tokens="$wide/tokens.txt" --set lexicon="$wide/train-lexicon.txt" \
    --set spelled="$wide/spelled.txt" --set init="$work/final" --set augment.noise_folder="$data/noise" \
    --train "$wide/train.jsonl" --dev "$wide/cv-dev.jsonl" --output "$wide/model" --resume
  asr checkpoint pack "$wide/model" --dtype int8 --output "$wide/ship" --lexicon "$work/lexicon.txt.gz" \
    --lm "$work/lm.arpa.gz" ${neural_lm:+--neural-lm "$neural_lm"} --decoding "$work/tuned-third.json" --card conf/card.md
fi
