"""Hidden Markov models with Gaussian mixtures, the acoustic models before neural networks."""
