"""A model on the test images: metrics, intervals, figures."""
