"""Labelled images in memory, their split into sets, and the prepared/ folder."""
