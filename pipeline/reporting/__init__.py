"""Pages that tell of runs."""
