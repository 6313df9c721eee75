"""Benchmarks of speed (`make bench`) and of reliability (`make torture`)."""

import pipeline.model.quiet_keras  # noqa: F401 - sets TensorFlow's log level, which works only before TensorFlow is imported
