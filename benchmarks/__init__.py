"""Speed, each table measured side by side in one run: `make bench`."""

import pipeline.model  # noqa: F401 - it tells TensorFlow to keep quiet, before anybody imports it
