#!/usr/bin/env bash
# WikiText-2 with the vocabulary of published results: 33,278 words, one running text, <eos> counted as a word.
#   ./run.sh --data FOLDER [--text FOLDER] [--work exp] [--stage 1] [--stop-stage 3]
# --text is a folder with {train,valid,test}.txt(.gz), by default FOLDER/text/wikitext-2. For Penn Treebank, which needs a
# licence, give the folder of its train.txt, valid.txt and test.txt, and --work exp/ptb.

text=
cd "$(dirname "$0")"; . ../stages.sh
text="${text:-$data/text/wikitext-2}"
needs "$text" "WikiText-2's words (train.txt, valid.txt and test.txt), or name their folder with --text"
part() { for name in "$text/$1.txt" "$text/$1.txt.gz"; do if [ -f "$name" ]; then echo "$name"; fi; done; }

if at 1 "LSTM"; then
  asr lm train "$(part train)" --dev "$(part valid)" --config conf/lstm.toml --output "$work/lstm" --resume
fi
if at 2 "perplexity"; then
  for name in valid test; do
    echo "--- $name"
    asr lm score "$work/lstm" "$(part $name)" --running --case keep
  done
fi
if at 3 "perplexity with a cache of the last 2,000 words, tuned on the validation text"; then
  asr lm score "$work/lstm" "$(part test)" --running --case keep --cache 2000 --cache-dev "$(part valid)"
fi
