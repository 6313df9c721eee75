"""Canvas and text of figures."""
