"""Forecasting: baselines, linear models, ARIMA and recurrent networks under one interface, judged by backtests."""
