#!/usr/bin/env bash
# Word error rates of a model on speech as people record it: one table, a line a condition.
#   ./run.sh --data FOLDER [--model english] [--title NAME] [--neural-lm auto] [--work exp] [--stage 1] [--stop-stage 6]
# FOLDER holds commonvoice-part, vctk-part and noise, each with a manifest.jsonl (docs/formats.md; its `split` is train or dev);
# LibriSpeech/dev-clean-part if it is there.
# Conditions (all but the first made by `asr data augment`, the same audio each time): clean; noise of kinds that no model
# is trained on at 20 to 5 dB; simulated rooms; a telephone (300 to 3400 Hz, 8 kHz, mu-law); 20 dB louder, and cut off at
# full scale; 20 dB softer. Then 60 utterances of dev-clean-part apart, and in one file with pauses of 0, 0.2 and 0.6 s.
# Last, sounds without speech, two minutes of each kind, and the clips of the noises kept apart: how many words are heard.
# The model is anything that `asr decode --model` takes; NAME is what its results are called. `--neural-lm none` is faster.
# Equal spellings (conf/spellings.txt) are scored as one in the table's second figure.

model=english title= neural_lm=auto threads=1
cd "$(dirname "$0")"; . ../stages.sh
title="${title:-$(basename "$model")}"
needs "$data/commonvoice-part" "a part of Common Voice (https://commonvoice.mozilla.org) with manifest.jsonl, see --help"
needs "$data/vctk-part" "a part of VCTK (https://datashare.ed.ac.uk/handle/10283/3443) with manifest.jsonl, see --help"
needs "$data/noise" "ESC-10 (https://github.com/karolpiczak/ESC-50), a folder of clips for each kind of noise"
held_out='["dog-bark", "helicopter", "sea-waves"]'  # recipes/mini_librispeech/conf/wide.toml trains on the others
parts="cv vctk" conditions="clean noise20 noise15 noise10 noise5 room telephone loud soft" gaps="0 0.2 0.6"

settings() { # CONDITION
  case "$1" in
    noise*) echo "augment.recorded_probability=1 augment.recorded_snr_db=[${1#noise}.0] augment.noise_folder=$data/noise" \
      "augment.noise_kinds=${held_out// /}" ;;
    room) echo "augment.room_probability=1 augment.room_seconds=[0.2,0.8]" ;;
    telephone) echo 'augment.telephone_probability=1 augment.telephone_codecs=["ULAW"]' ;;
    loud) echo "augment.gain_probability=1 augment.gain_db=[20.0]" ;;
    soft) echo "augment.gain_probability=1 augment.gain_db=[-20.0]" ;;
  esac
}
manifest() { # PART CONDITION
  if [ "$2" = clean ]; then echo "$work/$1.jsonl"; else echo "$work/$1-$2/manifest.jsonl"; fi
}
decode() { # MANIFEST OUTPUT
  [ -f "$2" ] || asr decode --model "$model" --manifest "$1" --neural-lm "$neural_lm" --threads "$threads" --output "$2"
}
rate() { # MANIFEST HYPOTHESES [OPTIONS]
  asr score "$@" --worst 0 | sed -n 's/^WER *\([0-9.]*%\).*/\1/p'
}

if at 1 "manifests"; then
  asr data import "$data/commonvoice-part" --where split=dev --output "$work/cv.jsonl"
  asr data import "$data/vctk-part" --where split=dev --output "$work/vctk.jsonl"
fi
if at 2 "conditions"; then
  for part in $parts; do
    for condition in $conditions; do
      if [ "$condition" = clean ] || [ -f "$(manifest "$part" "$condition")" ]; then continue; fi
      set --
      for setting in $(settings "$condition"); do set -- "$@" --set "$setting"; done
      asr data augment "$work/$part.jsonl" "$@" --seed 1 --output "$work/$part-$condition"
    done
  done
fi
if at 3 "decode"; then
  for part in $parts; do
    for condition in $conditions; do decode "$(manifest "$part" "$condition")" "$work/$title.$part-$condition.trn"; done
  done
fi
if at 4 "table"; then
  printf '%-12s' "$title"; for part in $parts; do printf '%10s %10s' "$part" spellings; done; echo
  for condition in $conditions; do
    printf '%-12s' "$condition"
    for part in $parts; do
      set -- "$(manifest "$part" "$condition")" "$work/$title.$part-$condition.trn"
      printf '%10s %10s' "$(rate "$@")" "$(rate "$@" --spellings conf/spellings.txt)"
    done
    echo
  done
fi
if at 5 "long files" && [ -d "$data/LibriSpeech/dev-clean-part" ]; then
  asr data import "$data/LibriSpeech/dev-clean-part" --output "$work/dev-clean-part.jsonl"
  asr data split "$work/dev-clean-part.jsonl" --by utterance --dev 0.0855 --output "$work/rest.jsonl" "$work/apart.jsonl"
  decode "$work/apart.jsonl" "$work/$title.apart.trn"
  echo "apart       $(rate "$work/apart.jsonl" "$work/$title.apart.trn")"
  for gap in $gaps; do
    [ -f "$work/joined-$gap/manifest.jsonl" ] || asr data join "$work/apart.jsonl" --set join.share=1 --set join.one_speaker_share=0 \
      --set join.max_seconds=3600 --set "join.gap_seconds=[$gap]" --set join.silent_share=1 --output "$work/joined-$gap"
    decode "$work/joined-$gap/manifest.jsonl" "$work/$title.joined-$gap.trn"
    printf '%-12s%s\n' "gaps of $gap" "$(rate "$work/joined-$gap/manifest.jsonl" "$work/$title.joined-$gap.trn")"
  done
fi
if at 6 "sounds without speech"; then
  for kind in noise swelling hum tone music clicks silence; do
    [ -f "$work/$kind/manifest.jsonl" ] || asr data sounds --number 4 --kind "$kind" --seconds 30 30 --seed 5 --output "$work/$kind"
  done
  for kind in dog-bark helicopter sea-waves; do
    [ -f "$work/$kind.jsonl" ] || asr data import "$data/noise" --kind sounds --where "kind=$kind" --output "$work/$kind.jsonl"
  done
  for kind in noise swelling hum tone music clicks silence dog-bark helicopter sea-waves; do
    manifest="$work/$kind/manifest.jsonl"
    if [ -f "$work/$kind.jsonl" ]; then manifest="$work/$kind.jsonl"; fi
    decode "$manifest" "$work/$title.$kind.trn" || true  # some clips cannot be read: they are listed
    printf '%-12s%s\n' "$kind" "$(asr score "$manifest" "$work/$title.$kind.trn" --json | sed -n 's/.*"insertions": \([0-9]*\).*/\1 words/p')"
  done
fi
