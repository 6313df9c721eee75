"""Tests of pipeline/convex/ and pipeline/optimum.py."""
