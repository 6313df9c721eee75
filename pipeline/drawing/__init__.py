"""Canvas and text of every figure."""
