#!/usr/bin/env bash
# ETT (electricity transformer temperature): long horizons, all seven series, the usual split of 12, 4 and 4 months.
#   ./run.sh --data FOLDER [--work exp] [--stage 1] [--stop-stage 3]
# FOLDER contains series/ett/ETTh1.csv and ETTm1.csv.gz.

cd "$(dirname "$0")"; . ../stages.sh
ett="$data/series/ett"
needs "$ett" "ETTh1.csv and ETTm1.csv.gz of https://github.com/zhouhaoyi/ETDataset"
one() { # NAME FILE SPLIT LOOK_BACK HORIZON METHODS
  asr forecast windows "$2" --time-col date --split "$3" --look-back "$4" --horizon "$5" --methods "$6" \
    --output "$work/$1-$4-$5" --json | tee "$work/$1-$4-$5.json"
}

if at 1 "ETTh1, look-back 96"; then
  for horizon in 96 192 336 720; do
    one ETTh1 "$ett/ETTh1.csv" 8640,2880,2880 96 "$horizon" \
      last-value,seasonal-naive,nlinear,dlinear,segrnn,average,segrnn-columns
  done
fi
if at 2 "ETTh1, look-back 512"; then
  for horizon in 96 192 336 720; do
    one ETTh1 "$ett/ETTh1.csv" 8640,2880,2880 512 "$horizon" nlinear,dlinear,segrnn,average
  done
fi
if at 3 "ETTm1, look-back 96, horizon 96"; then
  one ETTm1 "$ett/ETTm1.csv.gz" 34560,11520,11520 96 96 last-value,nlinear,dlinear,segrnn,average
fi
