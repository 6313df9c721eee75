"""The softmax model, its file, and the metrics of its predictions."""
