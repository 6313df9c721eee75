"""Tests of convex."""
