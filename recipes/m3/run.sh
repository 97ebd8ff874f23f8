#!/usr/bin/env bash
# M3: all 3,003 series, by period, compared with the figures of the competition.
#   ./run.sh --data FOLDER [--work exp] [--stage 1] [--stop-stage 2]
# FOLDER contains series/m3/M3.csv.gz. Stage 1 evaluates on the ends of the training parts, to choose a method.

cd "$(dirname "$0")"; . ../stages.sh
table="$data/series/m3/M3.csv.gz" methods=theta,dotm,ets,ces,average,median
needs "$table" "the M3 competition's series (R package Mcomp) as one table, see --help"

for period in YEARLY QUARTERLY MONTHLY OTHER; do
  if at 1 "$period, held-out ends of the training parts"; then
    asr forecast many "$table" --period "$period" --methods "$methods" --held-out
  fi
  if at 2 "$period, test parts"; then
    asr forecast many "$table" --period "$period" --methods "$methods" --output "$work/$period"
  fi
done
