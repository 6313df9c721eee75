"""Reliability tests: each module injects faults at random, and counts what was lost."""
