"""Voice activity: where in a recording somebody speaks, by a small one-directional LSTM."""
