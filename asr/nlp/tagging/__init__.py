"""Tagging: one or more labels for every word of a text, first of all punctuation marks and capitals."""
