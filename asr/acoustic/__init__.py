"""Acoustic models: the recurrent stack with a CTC head, and its training."""
