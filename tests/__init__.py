"""The tests: they mirror pipeline/, and end_to_end/ drives the commands."""
