"""Minibatch SGD of a bank of softmax heads, and the job that trains and tracks one model."""
