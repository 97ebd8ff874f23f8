#!/usr/bin/env bash
# Series from textbooks, with a fixed split each: all methods on the last values, which are in no training part.
#   ./run.sh --data FOLDER [--work exp] [--stage 1] [--stop-stage 5]
# FOLDER contains series/classic/.

cd "$(dirname "$0")"; . ../stages.sh
classic="$data/series/classic"
needs "$classic" "R's AirPassengers, lynx and taylor as CSV, and monthly-sunspots.csv and daily-min-temperatures.csv"
judge() { # NAME FILE HORIZON SEASON [OPTIONS]
  name="$1" file="$classic/$2" horizon="$3" season="$4"; shift 4
  echo "--- $name: the last $horizon values, season $season"
  asr forecast compare "$file" --horizon "$horizon" --season "$season" "$@" --output "$work/$name.csv.gz" \
    --plot "$work/$name.png"
}

if at 1 "air passengers"; then judge passengers R_datasets_AirPassengers.csv 24 12 --time-col time --target value; fi
if at 2 "lynx"; then judge lynx R_datasets_lynx.csv 14 10 --time-col time --target value; fi
if at 3 "sunspots"; then judge sunspots monthly-sunspots.csv 132 132 --time-col Month --target Sunspots; fi
if at 4 "half-hourly electricity"; then judge electricity R_forecast_taylor.csv 336 336 --target x; fi
if at 5 "daily temperatures"; then
  judge temperatures daily-min-temperatures.csv 30 365 --time-col Date --target Temp
fi
