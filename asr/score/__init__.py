"""Error rates of recognisers, classifiers and forecasts, with intervals and significance tests."""
