#!/usr/bin/env bash
# Language models of English prose: Kneser-Ney n-grams and an LSTM, compared word by word on books of their own.
#   ./run.sh --data FOLDER [--books yes] [--large yes] [--text TEXT] [--heldout TEXT] [--vocab LIST] [--memory 4G]
#            [--modern yes] [--work exp] [--stage 0] [--stop-stage 7]
# TEXT is prose, a sentence a line, LIST the words to know (by default FOLDER/text/prose/train.txt.bz2 and heldout.txt.gz,
# FOLDER/text/lexicon/librispeech-vocab.txt.gz). Every 400th sentence of the text is kept for validation. The large LSTM,
# too large to ship, is for the best figures in ../mini_librispeech/RESULTS.md.
# With --books some 250 million words more are fetched from three repositories of Project Gutenberg's books; FOLDER/more holds
# the lists of those to leave out. Stage 2 then estimates from all of it, and stage 5 goes on with the LSTM of stage 3
# through the books, six hours of two cores; it may be stopped, and --stage 5 goes on where it was.
# With --modern stage 6 makes the n-grams that ship, mixed with those of film reviews and of Common Voice's transcripts
# (FOLDER/text/imdb, FOLDER/commonvoice-part), and the LSTM (of stage 3, or --lstm FOLDER) trained on through these and as much
# prose, an hour of one core. With both stage 7 goes on with it through a quarter of the books, two hours of two cores.

books= modern= lstm= text= heldout= vocab= large= memory=4G
cd "$(dirname "$0")"; . ../stages.sh
text="${text:-$data/text/prose/train.txt.bz2}"
heldout="${heldout:-$data/text/prose/heldout.txt.gz}"
vocab="${vocab:-$data/text/lexicon/librispeech-vocab.txt.gz}"
needs "$text" "prose, a sentence a line (asr lm text makes it of books); or name it with --text"
needs "$heldout" "prose of other books, a sentence a line; or name it with --heldout"
needs "$vocab" "words, one a line (librispeech-vocab.txt of https://www.openslr.org/11); or name them with --vocab"

fit() { # OUTPUT [OPTIONS]
  asr lm train "$work/train.txt" --dev "$work/dev.txt" --config conf/lstm.toml --set vocabulary="$vocab" \
    --output "$work/$1" --resume "${@:2}"
}

fetch() { # OWNER/NAME COMMIT FOLDER: the files of a repository at a commit
  if [ ! -d "$3" ]; then
    git init --quiet "$3.part"
    git -C "$3.part" fetch --quiet --depth 1 "https://github.com/$1" "$2"
    git -C "$3.part" checkout --quiet FETCH_HEAD
    mv "$3.part" "$3"
  fi
}

held_apart() { # the options that keep dev utterances out of a text, one a line; writes their manifests to $work
  for name in LibriSpeech/dev-full-band LibriSpeech/dev-clean-part commonvoice-part vctk-part; do
    case "$name" in *-part) where=(--where split=dev) ;; esac
    case "$name" in LibriSpeech/*) where=() ;; esac
    if [ -d "$data/$name" ]; then
      asr data import "$data/$name" "${where[@]}" --output "$work/$(basename "$name").jsonl" >&2
      printf '%s\n' --apart "$work/$(basename "$name").jsonl"
    fi
  done
}

if [ -n "$books" ] && at 0 "books, made sentences"; then
  fetch LuEE-C/FewShotAuthorClassificationMetaLearning 4c84f818a17dc19b592dbcd0fa004f2c6df8116a "$work/lahiri"
  fetch tmgondal/Project-Gutenberg 5e7ad504e1fe1797122bd3068875c02458ecd786 "$work/tmgondal"
  fetch mlschmitt/classic-books-markdown 944882722e9a96fa6cf2739dc2ea757e101f412f "$work/classic-books"
  mapfile -t apart < <(held_apart)
  leave=()
  for list in "$data"/more/leave-out.*.txt; do leave+=(--leave-out "$list"); done
  asr lm text "$work/lahiri/Gutenberg/txt" "$work/tmgondal" "$work/classic-books" "${leave[@]}" --apart "$heldout" "${apart[@]}" \
    --known "$text" --processes 2 --output "$work/books.txt.gz" --printed "$work/books-printed.txt.gz"
fi
unpacked() { # TEXT
  case "$1" in *.bz2) bzcat "$1" ;; *.gz) zcat "$1" ;; *) cat "$1" ;; esac
}

if at 1 "text to train on, text to validate on"; then
  unpacked "$text" | awk -v dev="$work/dev.txt" 'NR % 400 == 0 { print > dev; next } { print }' > "$work/train.txt"
fi
if at 2 "n-grams: whole, and pruned to ship"; then
  more=() pruning=(--threshold 1.36e-7 --decimals 3)
  # The threshold made 10 MB of 100 million words; of all 269 million it must be raised.
  if [ -n "$books" ]; then more=("$work/books.txt.gz") pruning=(--threshold 1.85e-7 --decimals 2); fi
  asr lm ngram "$text" "${more[@]}" --order 3 --vocab "$vocab" --memory "$memory" --temporary "$work" --output "$work/3gram.arpa"
  asr lm ngram "$text" "${more[@]}" --order 3 --vocab "$vocab" --memory "$memory" --temporary "$work" \
    --unseen "${pruning[@]}" --output "$work/pruned.arpa.gz"
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
packed_and_scored() { # LSTM OUTPUT
  asr lm pack "$work/$1" --output "$work/$2" --card conf/card.md
  asr lm score "$work/$2" "$heldout"
}
if [ -n "$books" ] && at 5 "LSTM of stage 3 on through the books"; then
  asr lm train "$work/books.txt.gz" --dev "$work/dev.txt" --config conf/lstm-books.toml --set init="$work/lstm" \
    --processes 2 --output "$work/lstm-books" --resume
  packed_and_scored lstm-books lstm-books-8bit
fi
if [ -n "$modern" ] && at 6 "modern English"; then
  needs "$data/text/imdb" "the Large Movie Review Dataset (https://ai.stanford.edu/~amaas/data/sentiment) as tables"
  needs "$data/commonvoice-part" "Common Voice with a manifest.jsonl that has a split"
  mkdir -p "$work/reviews"
  xzcat "$data/text/imdb/train.tsv.xz" | tail -n +2 | cut -f 4 | sed 's/<br *\/*>/\n\n/g; s/$/\n/' > "$work/reviews/reviews.txt"
  mapfile -t apart < <(held_apart)
  asr lm text "$work/reviews" --apart "$heldout" "${apart[@]}" --output "$work/reviews.txt.gz"
  asr data import "$data/commonvoice-part" --where split=train --output "$work/spoken.jsonl"
  sed -E 's/.*"text": "([^"]*)".*/\1/' "$work/spoken.jsonl" | sort -u > "$work/spoken.txt"
  # The lexicon has no word with an apostrophe before it, the text has 'tis and 'em.
  unpacked "$text" | sed -E "s/(^| )'+/\1/g" > "$work/prose.txt"
  prose=("$work/prose.txt"); cp "$work/prose.txt" "$work/some-prose.txt"
  if [ -n "$books" ]; then
    prose+=("$work/books.txt.gz")
    unpacked "$work/books.txt.gz" | awk 'NR % 5 == 0' >> "$work/some-prose.txt"  # enough to count histories
  fi
  ngrams() { # OUTPUT THRESHOLD TEXTS
    asr lm ngram "${@:3}" --order 3 --vocab "$vocab" --unseen --threshold "$2" --decimals 5 --memory "$memory" \
      --temporary "$work" --output "$1"
  }
  ngrams "$work/prose.ngrams" 6e-9 "${prose[@]}"
  ngrams "$work/reviews.ngrams" 1e-9 "$work/reviews.txt.gz"
  ngrams "$work/spoken.ngrams" 1e-9 "$work/spoken.txt"
  asr lm interpolate "$work/prose.ngrams" "$work/reviews.ngrams" "$work/spoken.ngrams" --weights 0.75,0.15,0.1 \
    --threshold 2e-8 --text "$work/some-prose.txt" --text "$work/reviews.txt.gz" --text "$work/spoken.txt" --decimals 1 \
    --output "$work/mixed.ngrams.xz"
  asr lm score "$work/mixed.ngrams.xz" "$heldout"

  # More than half of what the LSTM reads is prose, so that it does not forget it.
  unpacked "$text" | awk 'NR % 6 == 0' > "$work/some.txt"
  if [ -n "$books" ]; then unpacked "$work/books.txt.gz" | awk 'NR % 60 == 0' >> "$work/some.txt"; fi
  repeated=("$work/spoken.txt" "$work/spoken.txt" "$work/spoken.txt" "$work/spoken.txt" "$work/spoken.txt")
  asr lm train "$work/some.txt" "$work/reviews.txt.gz" "${repeated[@]}" --dev "$work/commonvoice-part.jsonl" \
    --config conf/lstm-modern.toml --set init="${lstm:-$work/lstm}" --output "$work/lstm-modern" --resume
  # The mean of the weights before and after is better on both kinds of text than either.
  asr checkpoint average "${lstm:-$work/lstm}" "$work/lstm-modern" --weights 0.35,0.65 --output "$work/lstm-mean"
  packed_and_scored lstm-mean lstm-modern-8bit
fi
if [ -n "$books" ] && [ -n "$modern" ] && at 7 "the LSTM of stage 6 further through the books"; then
  if [ ! -e "$work/further.txt" ]; then
    awk 'NR % 2 == 1' "$work/prose.txt" > "$work/further.part"
    unpacked "$work/books.txt.gz" | awk 'NR % 4 == 0' >> "$work/further.part"
    unpacked "$work/reviews.txt.gz" >> "$work/further.part"
    for _ in 1 2 3 4 5 6; do cat "$work/spoken.txt"; done >> "$work/further.part"
    mv "$work/further.part" "$work/further.txt"
  fi
  asr lm train "$work/further.txt" --dev "$work/dev.txt" --config conf/lstm-books.toml --set init="$work/lstm-mean" \
    --set text.parts=12 --set train.epochs=12 --set train.peak_lr=0.0008 --processes 2 --output "$work/lstm-further" --resume
  asr checkpoint average "$work/lstm-mean" "$work/lstm-further" --weights 0.3,0.7 --output "$work/lstm-further-mean"
  packed_and_scored lstm-further-mean lstm-further-8bit
fi
