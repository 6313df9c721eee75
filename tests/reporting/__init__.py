"""Tests of pipeline/reporting/ and pipeline/report.py."""
