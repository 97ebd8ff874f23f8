#!/usr/bin/env bash
# Punctuation marks and capitals: a bidirectional LSTM on printed prose, beside a 4-gram model and a logistic regression.
#   ./run.sh --data FOLDER --text TEXT --heldout TEXT [--work exp] [--stage 1] [--stop-stage 3]
# TEXT is printed prose, a sentence or a paragraph a line, with blank lines between paragraphs (`asr lm text --printed`, as
# in ../librispeech_lm); HELDOUT is of other books. Stage 3 uses the transcripts of the LJ Speech part of FOLDER.
# Stage 1 takes about five minutes of one core for each 5 million words.

text= heldout=
cd "$(dirname "$0")"; . ../stages.sh
needs "$data/ljspeech-part" "the part of LJ Speech that stage 3 transcribes (https://keithito.com/LJ-Speech-Dataset)"
needs "${text:-text.txt}" "printed prose (asr lm text --printed makes it of books); name it with --text"
needs "${heldout:-heldout.txt}" "printed prose of other books; name it with --heldout"

if at 1 "the tagger"; then
  asr nlp tag train "$text" --dev "$heldout" --config conf/lstm.toml --output "$work/marks" --resume
fi
if at 2 "F1 on prose, and baselines fitted to the same text"; then
  asr nlp tag evaluate "$heldout" --model "$work/marks" --baselines "$text"
fi
if at 3 "a recording with and without marks"; then
  asr transcribe "$data/ljspeech-part/audio/LJ002-0199.opus" --raw
  asr transcribe "$data/ljspeech-part/audio/LJ002-0199.opus" --raw | asr nlp tag apply /dev/stdin --model "$work/marks"
fi
