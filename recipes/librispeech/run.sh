#!/usr/bin/env bash
# Train on official LibriSpeech subsets and score others, by their names: blocks of BiLSTM, CTC-CRF, pronunciations as heard.
#   ./run.sh --data FOLDER --dictionary DICT --text TEXT [--train train-clean-100[,train-clean-360]] [--eval test-clean,test-other]
#            [--dev dev-clean] [--vocab LIST] [--neural-lm LSTM] [--attention yes|no] [--size large|small] [--epochs 16]
#            [--work exp] [--stage 0] [--stop-stage 6]
# FOLDER contains LibriSpeech/<subset>; missing subsets are downloaded into it. DICT is a pronouncing dictionary such as
# CMUdict; the official lexicon and 3-gram language model are for comparison only, TEXT (prose, a sentence a line) makes
# ours; without TEXT it is the training transcripts. LIST names words to know besides (librispeech-vocab.txt). LSTM is a
# language model's folder, such as ../librispeech_lm/run.sh makes. The model is trained twice, by CTC and CTC-CRF on the
# dictionary's pronunciations, then by CTC-CRF on those that it heard itself, with self-attention unless told no.
# "large" has 14 M parameters and is for a GPU, "small" has 5 M, the shipped model's sizes, and takes smaller batches: five
# hours of audio are a night of one core. RESULTS.md estimates time and memory for train-clean-100.

train=train-clean-100 eval=test-clean,test-other dev=dev-clean text= vocab= dictionary= neural_lm= attention=yes size=large
epochs=16 threshold=3e-8
cd "$(dirname "$0")"; . ../stages.sh
data="${data:-$work/data}"

if at 0 "download missing subsets"; then
  for name in ${train//,/ } ${eval//,/ } $dev; do
    if [ ! -d "$data/LibriSpeech/$name" ]; then asr data download "$name" --output "$data"; fi
  done
fi
needs "${dictionary:-/a pronouncing dictionary}" "cmudict.dict of https://github.com/cmusphinx/cmudict; name it with --dictionary"
if at 1 "manifests"; then
  set --
  for name in ${train//,/ }; do set -- "$@" "$data/LibriSpeech/$name"; done
  asr data import "$@" --output "$work/train.jsonl"
  for name in ${eval//,/ } $dev; do asr data import "$data/LibriSpeech/$name" --output "$work/$name.jsonl"; done
fi
text="${text:-$work/train.jsonl}"
if at 2 "words, lexicons, language model"; then
  asr tokens words "$text" --most 200000 --output "$work/words.txt"
  cat "$work/words.txt" ${vocab:+"$vocab"} > "$work/vocab.txt"
  asr tokens lexicon --words "$work/vocab.txt" --dictionary "$dictionary" --variants 2 --output "$work/lexicon.txt.gz"
  asr tokens lexicon --words "$work/train.jsonl" --words "$work/$dev.jsonl" --dictionary "$dictionary" \
    --output "$work/train-lexicon.txt" --tokens "$work/tokens.txt"
  asr lm ngram "$text" --order 3 --vocab "$work/vocab.txt" --unseen --threshold "$threshold" --output "$work/lm.arpa.gz"
fi

case "$size" in
  large) config=conf/large.toml ;;
  small) config=../mini_librispeech/conf/blocks.toml ;;
  *) echo "$0: --size is large or small, not $size" >&2; exit 2 ;;
esac
if [ "$attention" = yes ]; then heads="--set model.attention_heads=4"; else heads=; fi
fit() { # OUTPUT [OPTIONS]
  asr train --config "$config" --set tokens="$work/tokens.txt" --set lexicon="$work/train-lexicon.txt" \
    --set train.epochs="$epochs" --train "$work/train.jsonl" --dev "$work/$dev.jsonl" --output "$work/$1" --resume "${@:2}"
}
if at 3 "train by CTC, then by CTC-CRF"; then
  fit first --set criterion.ctc_epochs=$((epochs < 3 ? 1 : 2))
fi
if at 4 "train again on the pronunciations that are heard"; then
  spell "$work/first" "$work/train.jsonl" "$work/train-lexicon.txt" "$work/spelled.txt"
  fit model --set init="$work/first" --set spelled="$work/spelled.txt" --set criterion.ctc_epochs=0 \
    --set data.sorted_epochs=0 --set train.peak_lr=0.0012 $heads
fi
if at 5 "tune on $dev, pack"; then
  asr decode --model "$work/model" --manifest "$work/$dev.jsonl" --greedy --save-log-probs "$work/dev.npz" \
    --output "$work/greedy.$dev.trn"
  asr tune --log-probs "$work/dev.npz" --tokens "$work/tokens.txt" --lexicon "$work/lexicon.txt.gz" \
    --lm "$work/lm.arpa.gz" --neural-lm "${neural_lm:-none}" --reference "$work/$dev.jsonl" --beam-size 400 \
    --beam-threshold 16 --threads 2 --final-beam 1600:16 --final-neural-beam 1600:14 --output "$work/tuned.json"
  asr checkpoint pack "$work/model" --dtype int8 --output "$work/packed" --lexicon "$work/lexicon.txt.gz" \
    --lm "$work/lm.arpa.gz" ${neural_lm:+--neural-lm "$neural_lm"} --decoding "$work/tuned.json"
fi
if at 6 "the table"; then
  for name in $dev ${eval//,/ }; do
    for system in blocks ${neural_lm:+blocks-lstm}; do
      case "$system" in *-lstm) more="$work/packed/lstm" ;; *) more=none ;; esac
      asr decode --model "$work/packed" --manifest "$work/$name.jsonl" --neural-lm "$more" --threads 2 \
        --output "$work/$system.$name.trn"
      echo "--- $system, $name"
      asr score "$work/$name.jsonl" "$work/$system.$name.trn"
    done
  done
fi
