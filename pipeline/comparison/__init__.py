"""Compares models: which settings differ, and whether the difference in test error is significant."""
