#!/usr/bin/env bash
# Film reviews, positive or negative (IMDB, Maas et al. 2011): a language model of the training texts, and a BiLSTM
# classifier that starts from it.
#   ./run.sh --data FOLDER [--work exp] [--stage 1] [--stop-stage 4]
# FOLDER contains text/imdb/{train,test}.tsv.xz (columns label and text). A tenth of the training set is for validation. If
# there is text/sst-2, the language model is trained on its phrases too, and ../sst2 can start from it.

cd "$(dirname "$0")"; . ../stages.sh
imdb="$data/text/imdb" sst="$data/text/sst-2"
needs "$imdb" "the Large Movie Review Dataset (https://ai.stanford.edu/~amaas/data/sentiment) as tables, see --help"

if at 1 "texts"; then
  asr nlp text "$imdb/train.tsv.xz" --output "$work/reviews.txt"
  if [ -d "$sst" ]; then
    asr nlp text "$sst/train.tsv.gz" --text-col sentence --output "$work/phrases.txt"
    asr nlp text "$sst/dev.tsv" --text-col content --output "$work/dev.txt"
  else
    tail -n 200 "$work/reviews.txt" > "$work/dev.txt"  # only to watch the training
  fi
fi
if at 2 "language model"; then
  phrases=; if [ -f "$work/phrases.txt" ]; then phrases="$work/phrases.txt"; fi
  asr lm train "$work/reviews.txt" $phrases --dev "$work/dev.txt" --config conf/lm.toml --output "$work/lm" --resume
fi
if at 3 "train from the language model"; then
  asr nlp train "$imdb/train.tsv.xz" --config conf/fine-tuned.toml --set language_model="$work/lm" \
    --output "$work/fine-tuned" --resume
fi
if at 4 "test"; then
  asr nlp evaluate "$imdb/test.tsv.xz" --model "$work/fine-tuned"
  asr nlp predict "$imdb/test.tsv.xz" --model "$work/fine-tuned" --output "$work/fine-tuned.test.txt"
fi
