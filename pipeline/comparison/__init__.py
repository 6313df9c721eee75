"""Models beside one another: what differs, and whether it matters."""
