#!/usr/bin/env bash
# Daily closing prices, one day ahead, from each of the last 1,000 days: prices and returns, each method compared with the
# best baseline. ARIMA and ETS orders are chosen again every 100 days, networks are trained again every 500.
#   ./run.sh --data FOLDER [--work exp] [--stage 1] [--stop-stage 2]
# FOLDER contains series/stocks/{aapl,msft,ibm,ge,ko,jpm,spy}.csv.gz.

cd "$(dirname "$0")"; . ../stages.sh
needs "$data/series/stocks" "daily prices as CSV, with the columns Date and Close, of the tickers in --help"
judge() { # TICKER NAME REFIT METHODS
  asr forecast backtest "$data/series/stocks/$1.csv.gz" --time-col Date --target Close --horizon 1 --season 1 \
    --origins 1000 --refit-every "$3" --returns --methods "$4" --output "$work/$1-$2.csv.gz"
}

for ticker in aapl msft ibm ge ko jpm spy; do
  if at 1 "$ticker: baselines, ARIMA, ETS, linear"; then judge "$ticker" plain 100 drift,theta,ets,arima,ridge,nlinear,dlinear; fi
  if at 2 "$ticker: recurrent"; then judge "$ticker" recurrent 500 lstm,gru,segrnn; fi
done
