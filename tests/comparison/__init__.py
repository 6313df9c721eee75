"""Tests of pipeline/comparison/."""
