"""Tests of pipeline/sources/."""
