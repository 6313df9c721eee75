"""Tests of pipeline/reproduction/."""
