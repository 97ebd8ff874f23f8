#!/usr/bin/env bash
# Language models of English prose: Kneser-Ney n-grams and an LSTM, compared word by word on books of their own.
#   ./run.sh --data FOLDER [--large yes] [--text TEXT] [--heldout TEXT] [--vocab LIST] [--work exp] [--stage 1] [--stop-stage 4]
# TEXT is prose, a sentence a line, LIST the words to know (by default FOLDER/text/prose/train.txt.bz2 and heldout.txt.gz,
# FOLDER/text/lexicon/librispeech-vocab.txt.gz). Every 400th sentence of the text is kept for validation. The large LSTM,
# too large to ship, is for the best figures in ../mini_librispeech/RESULTS.md.

text= heldout= vocab= large=
cd "$(dirname "$0")"; . ../stages.sh
text="${text:-$data/text/prose/train.txt.bz2}"
heldout="${heldout:-$data/text/prose/heldout.txt.gz}"
vocab="${vocab:-$data/text/lexicon/librispeech-vocab.txt.gz}"

fit() { # OUTPUT [OPTIONS]
  asr lm train "$work/train.txt" --dev "$work/dev.txt" --config conf/lstm.toml --set vocabulary="$vocab" \
    --output "$work/$1" --resume "${@:2}"
}

if at 1 "text to train on, text to validate on"; then
  case "$text" in *.bz2) unpack=bzcat ;; *.gz) unpack=zcat ;; *) unpack=cat ;; esac
  $unpack "$text" | awk -v dev="$work/dev.txt" 'NR % 400 == 0 { print > dev; next } { print }' > "$work/train.txt"
fi
if at 2 "n-grams: whole, and pruned to ship"; then
  asr lm ngram "$text" --order 3 --vocab "$vocab" --output "$work/3gram.arpa"
  asr lm ngram "$text" --order 3 --vocab "$vocab" --unseen --threshold 1.36e-7 --decimals 3 --output "$work/pruned.arpa.gz"
fi
if at 3 "LSTM"; then
  fit lstm
  asr lm pack "$work/lstm" --output "$work/lstm-8bit" --card conf/card.md
  if [ -n "$large" ]; then
    fit lstm-large --set model.hidden_size=1024 --set model.embedding_size=512 --set model.dropout=0.25 \
      --set model.cutoffs=[4000,20000] --set model.input_words=20000 --set train.epochs=10 --set train.peak_lr=0.002
    asr lm pack "$work/lstm-large" --output "$work/lstm-large-8bit"
  fi
fi
if at 4 "perplexity on books of their own"; then
  for model in 3gram.arpa pruned.arpa.gz lstm lstm-8bit ${large:+lstm-large lstm-large-8bit}; do
    echo "--- $model"
    asr lm score "$work/$model" "$heldout"
  done
  echo "--- mixture, weights found on the validation text, with n-grams that have not seen it"
  asr lm ngram "$work/train.txt" --order 3 --vocab "$vocab" --output "$work/3gram-train.arpa"
  weights="$(asr lm interpolate "$work/3gram-train.arpa" "$work/lstm" --dev "$work/dev.txt" --json)"
  weights="$(echo "$weights" | sed 's/.*"weights": \[\([^]]*\)\].*/\1/; s/ //g')"
  asr lm score "$work/3gram.arpa" "$heldout" --with "$work/lstm" --weights "$weights"
fi
