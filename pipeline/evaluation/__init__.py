"""Evaluation on the test images: predictions, metrics, intervals and figures."""
