"""Stored runs: find them, read them, register their models, upload what is missing."""
