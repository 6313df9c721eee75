"""Tests of pipeline/drawing/."""
