#!/usr/bin/env bash
# Voice activity: a one-directional LSTM that says where somebody speaks, beside loudness and Silero's detector.
#   ./run.sh --data FOLDER [--model english] [--work exp] [--stage 1] [--stop-stage 3]
# FOLDER holds commonvoice-part, vctk-part, LibriSpeech/train-clean-5 and noise, a folder of clips a kind. MODEL is the
# acoustic model that aligns the texts, which takes a few minutes. Stage 2 takes about half an hour of one core. The bench
# tools/bench/vad.py compares with Silero's detector; RESULTS.md has the figures.

model=english
cd "$(dirname "$0")"; . ../stages.sh
for name in commonvoice-part vctk-part LibriSpeech/train-clean-5 noise; do
  needs "$data/$name" "speech, or recorded noise; see --help"
done

if at 1 "manifests"; then
  asr data import "$data/commonvoice-part" --where split=train --output "$work/cv.jsonl"
  asr data import "$data/vctk-part" --where split=train --output "$work/vctk.jsonl"
  asr data import "$data/LibriSpeech/train-clean-5" --output "$work/read.jsonl"
  asr data import "$data/commonvoice-part" --where split=dev --output "$work/dev.jsonl"
fi
if at 2 "the detector"; then
  asr vad train "$work/cv.jsonl" "$work/vctk.jsonl" "$work/read.jsonl" --dev "$work/dev.jsonl" --model "$model" \
    --config conf/lstm.toml --set augment.noise_folder="$data/noise" --output "$work/vad" --resume
fi
if at 3 "where it finds speech in a recording"; then
  asr vad apply ../../tests/speech/hello.flac --model "$work/vad"
fi
