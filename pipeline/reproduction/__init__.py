"""Repeats the training of past runs from what they recorded."""
