"""Tests of pipeline/formats/."""
