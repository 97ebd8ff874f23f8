#!/usr/bin/env bash
# M4, hourly and weekly: baselines, a hybrid of smoothing and a recurrent network, and a small ensemble.
#   ./run.sh --data FOLDER [--work exp] [--stage 1] [--stop-stage 4]
# FOLDER contains series/m4/{Hourly,Weekly}-{train.csv.gz,test.csv}. Stages 1 and 3 evaluate on the ends of the training
# parts.

cd "$(dirname "$0")"; . ../stages.sh
needs "$data/series/m4" "Hourly and Weekly, train and test, of https://github.com/Mcompetitions/M4-methods"
judge() { # NAME SEASON METHODS [OPTIONS]
  name="$1" season="$2" methods="$3"; shift 3
  asr forecast many "$data/series/m4/$name-train.csv.gz" --test "$data/series/m4/$name-test.csv" --season "$season" \
    --methods "$methods" "$@"
}
hourly=seasonal-naive,theta,global-ridge,hybrid
weekly=seasonal-naive,ets,ces,global-ridge,average,median,theta  # the combinations are of those before them

if at 1 "hourly, held-out ends of the training parts"; then judge Hourly 24 "$hourly" --held-out; fi
if at 2 "hourly, test parts"; then judge Hourly 24 "$hourly" --output "$work/Hourly"; fi
if at 3 "weekly, held-out ends of the training parts, and what lies before those"; then
  judge Weekly 1 "$weekly" --cycle 52 --held-out
  judge Weekly 1 "$weekly" --cycle 52 --held-out --held-out
fi
if at 4 "weekly, test parts"; then
  judge Weekly 1 "$weekly" --cycle 52 --output "$work/Weekly"
  judge Weekly 1 hybrid --output "$work/Weekly"
fi
