"""HTML pages about runs and sweeps."""
